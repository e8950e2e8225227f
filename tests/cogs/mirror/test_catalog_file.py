"""Catalogues of one's own, and which line of the file is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cogs.integrations.mirror.catalog import DEFAULT, Provider
from cogs.integrations.mirror.catalog_file import load
from cogs.integrations.mirror.errors import CatalogError

Write = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a catalogue file exactly as given, line ends included."""

    def write(text: str) -> Path:
        path = tmp_path / "catalog.toml"
        path.write_bytes(text.encode())
        return path

    return write


def refusal(path: Path) -> str:
    """What is said about a bad file, after the file itself, on one line."""
    with pytest.raises(CatalogError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def ids(providers: Sequence[Provider]) -> list[str]:
    return [each.id for each in providers]


GOOD = """\
[[provider]]
id = "jira"
label = "Jira"
category = "Work"
description = "Needed for tickets"
"""
SECOND = GOOD.replace("jira", "asana").replace("Jira", "Asana")


# A file of one's own


def test_without_a_file_the_built_in_catalogue_is_used() -> None:
    assert load(None) is DEFAULT


def test_a_file_replaces_the_built_in_catalogue(written: Write) -> None:
    catalog = load(written(GOOD + SECOND))

    assert ids(catalog.providers) == ["jira", "asana"]


def test_a_provider_of_a_file_is_read_to_the_end(written: Write) -> None:
    more = 'required = true\ntoolkits = ["jira", "jira_cloud"]\nsteps = ["Pick the site.", "Allow."]\n'

    [jira] = load(written(GOOD + more)).providers

    assert jira == Provider(
        id="jira",
        label="Jira",
        category="Work",
        description="Needed for tickets",
        required=True,
        toolkits=("jira", "jira_cloud"),
        steps=("Pick the site.", "Allow."),
    )


def test_a_provider_without_toolkits_has_its_id_as_the_only_one(written: Write) -> None:
    assert load(written(GOOD)).providers[0].toolkits == ("jira",)


def test_a_file_that_extends_adds_at_the_end(written: Write) -> None:
    catalog = load(written("extend = true\n" + GOOD))

    assert ids(catalog.providers) == [*ids(DEFAULT.providers), "jira"]


def test_a_file_that_extends_replaces_single_ids_in_their_place(written: Write) -> None:
    mail = GOOD.replace("jira", "gmail").replace("Jira", "Company Mail")

    catalog = load(written("extend = true\n" + mail))

    assert ids(catalog.providers) == ids(DEFAULT.providers)
    assert (catalog.providers[0].label, catalog.providers[0].required) == ("Company Mail", False)


def test_a_file_that_extends_by_nothing_leaves_the_built_in_catalogue(written: Write) -> None:
    assert load(written("extend = true\n")) == DEFAULT


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        'provider = [{id="jira", label="Jira", category="W", description="D"}]',
    ],
    ids=["CRLF", "byte order mark", "inline"],
)
def test_a_file_may_be_written_in_other_ways(written: Write, text: str) -> None:
    assert ids(load(written(text)).providers) == ["jira"]


# Bad files


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == ": it cannot be read (No such file or directory)"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(": it cannot be read (")


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes('[[provider]]\nid = "cafe"\nlabel = "Café"\n'.encode("latin-1"))

    assert refusal(path) == ", line 3: it is not UTF-8"


@pytest.mark.parametrize("text", ["", "# nothing here\n", "extend = false\n"])
def test_a_file_without_providers_is_refused(written: Write, text: str) -> None:
    assert refusal(written(text)) == ": it names no provider; add at least one [[provider]]"


@pytest.mark.parametrize(
    ("text", "line"),
    [(GOOD + "toolkits = [jira]\n", 6), (GOOD + 'label = "Again"\n', 6), ('[[provider]\nid = "a"\n', 1)],
    ids=["syntax", "key given twice", "header"],
)
def test_a_syntax_error_is_refused_with_its_line(written: Write, text: str, line: int) -> None:
    assert f"line {line}," in refusal(written(text))


BAD = {
    "an unknown key": (GOOD + 'colour = "red"\n', 6, "colour: there is no such key"),
    "an unknown key at the top": ("extent = true\n" + GOOD, 1, "extent: there is no such key"),
    "an unknown table": (GOOD + "\n[colours]\nred = 1\n", 7, "colours: there is no such key"),
    "a missing label": (SECOND + GOOD.replace('label = "Jira"\n', ""), 6, "label: it is missing"),
    "a missing id": (GOOD.replace('id = "jira"\n', ""), 1, "id: it is missing"),
    "an empty label": (GOOD.replace('"Jira"', '"  "'), 3, "label: it is empty"),
    "an invisible label": (GOOD.replace('"Jira"', r'"\u200b"'), 3, "label: it must be one line of visible"),
    "a label of two lines": (GOOD.replace('"Jira"', r'"Ji\nra"'), 3, "label: it must be one line of visible"),
    "a long label": (GOOD.replace("Jira", "x" * 51), 3, "label: it is too long, 50 at most"),
    "a long description": (GOOD.replace("Needed", "x" * 200), 5, "description: it is too long, 200 at most"),
    "a label that is a number": (GOOD.replace('"Jira"', "7"), 3, "label: it must be a text in quotes"),
    "an id with capitals": (GOOD.replace('"jira"', '"Jira"'), 2, "id: it must be small letters, digits, - and _"),
    "an id with a line break": (GOOD.replace('"jira"', r'"jira\n"'), 2, "id: it must be small letters"),
    "a long id": (GOOD.replace("jira", "x" * 51), 2, "id: it is too long, 50 characters at most"),
    "a required that is a text": (GOOD + 'required = "yes"\n', 6, "required: it must be true or false"),
    "an extend that is a number": ("# mine\nextend = 1\n" + GOOD, 2, "extend: it must be true or false"),
    "toolkits that are a text": (
        GOOD + 'toolkits = "jira"\n',
        6,
        "toolkits: it must be a list in square brackets",
    ),
    "no toolkits": (GOOD + "toolkits = []\n", 6, "toolkits: it is empty"),
    "a bad toolkit": (GOOD + 'toolkits = ["jira", "JIRA"]\n', 6, "toolkits: it must be small letters"),
    "too many steps": (GOOD + f"steps = {['Go.'] * 9}\n", 6, "steps: it is too long, 8 at most"),
    "a step that is a number": (GOOD + "steps = ['Go.', 2]\n", 6, "steps: it must be a text in quotes"),
    "an auth config that is none": (
        GOOD + 'auth_config = "jira"\n',
        6,
        "auth_config: it must be the id of an auth config",
    ),
    "an address without encryption": (
        GOOD + 'whoami = "http://jira.example/me"\n',
        6,
        "whoami: it must be an address that begins with https://",
    ),
    "an address with a password": (
        GOOD + 'whoami = "https://me:secret@jira.example"\n',
        6,
        "whoami: it must be an address",
    ),
    "another method": (
        GOOD + 'whoami = "https://jira.example/me"\nwhoami_method = "PUT"\n',
        7,
        "whoami_method: it must be 'GET' or 'POST'",
    ),
    "a path with a hole": (GOOD + 'whoami_name = "viewer..email"\n', 6, "whoami_name: it must be names with dots"),
    "a single table": (
        GOOD.replace("[[provider]]", "[provider]"),
        1,
        "provider: each provider is a table of its own",
    ),
    "providers that are texts": ('provider = ["jira"]\n', 1, "provider: each provider is a table of its own"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_the_line_and_the_reason(written: Write, case: str) -> None:
    text, line, reason = BAD[case]

    assert refusal(written(text)).startswith(f", line {line}: {reason}")


TWICE = {
    "an id": (GOOD + SECOND.replace('"asana"', '"jira"'), 7, "the id or label 'jira' is taken already, by 'Jira'"),
    "a label": (GOOD + SECOND.replace("Asana", "JIRA"), 8, "the id or label 'jira' is taken already, by 'Jira'"),
    "a label that is another's id": (
        GOOD + SECOND.replace("Asana", "Jira").replace("Jira", "jira"),
        8,
        "the id or label 'jira' is taken already",
    ),
    "a toolkit": (
        GOOD + SECOND + 'toolkits = [\n  "asana",\n  "jira",\n]\n',
        13,
        "the toolkit 'jira' is taken already, by 'Jira'",
    ),
    "a toolkit by default": (
        GOOD + 'toolkits = ["jira", "asana"]\n' + SECOND,
        7,
        "the toolkit 'asana' is taken already, by 'Jira'",
    ),
    "a built-in label": (
        "extend = true\n" + GOOD.replace("Jira", "Gmail"),
        4,
        "the id or label 'gmail' is taken already, by 'Gmail'",
    ),
    "a built-in toolkit": (
        "extend = true\n" + GOOD + 'toolkits = ["googledrive"]\n',
        7,
        "the toolkit 'googledrive' is taken already, by 'Google Drive'",
    ),
    "a replaced id": (
        "extend = true\n" + GOOD.replace("jira", "gmail") + SECOND.replace("asana", "gmail"),
        8,
        "the id or label 'gmail' is taken already, by 'Jira'",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_what_two_providers_share_is_refused_with_the_line_of_the_second(written: Write, case: str) -> None:
    text, line, reason = TWICE[case]

    assert refusal(written(text)).startswith(f", line {line}: {reason}")


def test_a_toolkit_that_one_provider_names_twice_does_no_harm(written: Write) -> None:
    catalog = load(written(GOOD + 'toolkits = ["jira", "jira"]\n'))

    assert list(catalog.by_toolkit) == ["jira"]


# The line, in files that are not written the usual way

PLAIN = GOOD + "\n" + SECOND.replace('"asana"', '"ASANA"')  # the wrong line is the eighth
INLINE = '{id="a", label="A", category="C", description="D"}'
WRONG = '{id="B!", label="B", category="C", description="D"}'
UNNAMED = '{id="b", category="C", description="D"}'
AWKWARD = {
    "spaces in the header": (PLAIN.replace("[[provider]]", "[[ provider ]]"), 8),
    "an indented header": (PLAIN.replace("[[provider]]", "  [[provider]]"), 8),
    "a comment after the header": (PLAIN.replace("[[provider]]", "[[provider]] # mine"), 8),
    "a header in quotes": (PLAIN.replace("[[provider]]", '[["provider"]]'), 8),
    "keys in quotes": (PLAIN.replace("id = ", '"id" = '), 8),
    "keys in single quotes": (PLAIN.replace("id = ", "'id' = "), 8),
    "no spaces": (PLAIN.replace(" = ", "="), 8),
    "CRLF": (PLAIN.replace("\n", "\r\n"), 8),
    "no line break at the end": (GOOD + "toolkits = 7", 6),
    "comments that look like keys": (PLAIN.replace("id =", '# id = "x"\nid ='), 10),
    "comments that look like headers": (PLAIN.replace("id =", "# [[provider]]\nid ="), 10),
    "a text that looks like a header": (
        PLAIN.replace('"Needed for tickets"', '"""\\\n[[provider]]\\\nid = 1"""', 1),
        10,
    ),
    "a text that looks like a key": (
        GOOD.replace('"Needed for tickets"', "'''\nlabel = 7'''").replace('label = "Jira"\n', ""),
        1,
    ),
    "a line break of another alphabet in a text": (PLAIN.replace("Work", "Wo\u2028rk"), 4),
    "inline tables on one line": (f"# mine\nprovider = [{INLINE}, {WRONG}]\n", 2),
    "inline tables on lines of their own": (f"provider = [\n  {INLINE},\n  # next\n  {WRONG},\n]\n", 4),
    "an inline table that misses a key": (f"provider = [\n  {INLINE},\n  {UNNAMED}\n]\n", 3),
    "a list inside an inline table": (
        'provider = [\n{id="a", label="A", category="C", description="D", toolkits=[\n"a",\n"B!",\n]},\n]\n',
        4,
    ),
    "a list on several lines": (GOOD + 'toolkits = [\n  "jira",\n\n  "JIRA", # here\n]\nrequired = true\n', 9),
    "a list that is too long, on several lines": (GOOD + "steps = [\n" + '  "Go.",\n' * 9 + "]\n", 6),
    "a dotted key": ('provider.id = "jira"\n', 1),
    "a table inside a provider": (GOOD + "\n[provider.colours]\nred = 1\n", 7),
    "extend after the first provider": (GOOD + "\nextend = true\n", 7),
    "a date with a space in it": (GOOD + "colour = 1979-05-27 07:32:00\nlabels = 1.5\n", 6),
    "two hundred providers": (
        "".join(GOOD.replace("jira", f"p{n}").replace("Jira", f"P {n}") for n in range(200)).replace(
            '"P 150"', "7"
        ),
        150 * 5 + 3,
    ),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_the_line_is_the_right_one_however_the_file_is_written(written: Write, case: str) -> None:
    text, line = AWKWARD[case]

    found = re.match(r", line (\d+): ", refusal(written(text)))

    assert found is not None
    assert int(found[1]) == line
