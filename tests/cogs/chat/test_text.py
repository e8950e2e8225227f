"""Nothing that others wrote is taken for ours, and nobody is pinged by it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.text import clean, code, count, seconds_in_words, shorten, size
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.plan import Plan
from tests.cogs.chat.scenes import everything, reported
from tests.cogs.chat.stage import embed_of, written
from tests.conftest import World, message_of, synced, text

_ESCAPED = re.compile(r"\\([^0-9A-Za-z\s])")
VISIBLE = st.characters(exclude_categories=["C", "Z"])
HOSTILE = [
    "[Free Nitro](https://evil.example)",
    "https://evil.example/a_b_c",
    "steam://run",
    "<https://evil.example>",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "<#123456789012345678>",
    "</revoke:123456789012345678>",
    "<:x:123456789012345678>",
    "<t:0:R>",
    "@everyone",
    "@here",
    "**_bold_** ~~gone~~ ||hidden||",
    "`code` ```block```",
    "# Title",
    "-# small",
    "- point",
    "> quote",
    "\\",
    "\\[a](b)",
    "back\\*slash",
]


def read(text: str) -> str:
    """What a person reads where markdown is rendered, as far as escapes go."""
    return _ESCAPED.sub(r"\1", text).replace("\u200b", "")


def active(text: str) -> str:
    """What Discord may still take for markup, once escapes have taken their character out of it."""
    return _ESCAPED.sub("·", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_others_wrote_is_read_exactly_as_they_wrote_it(text: str) -> None:
    assert read(clean(text)) == text


@given(st.text(st.one_of(st.sampled_from("\\[]()<>@#*_~|`-:/ "), VISIBLE), max_size=30))
@settings(max_examples=150, deadline=None)
def test_no_text_changes_by_being_cleaned(text: str) -> None:
    assert read(clean(text)) == text


@given(st.text(st.one_of(st.sampled_from("\\[]()<>@#*_~|`-:/ "), VISIBLE), max_size=30))
@settings(max_examples=150, deadline=None)
def test_a_cleaned_text_is_at_most_twice_as_long(text: str) -> None:
    assert size(clean(text)) <= 2 * size(text)


MARKUP = re.compile(r"[\[\]()<>*_~|`#]|@(everyone|here)|\w://|^-")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_what_others_wrote_is_markup_a_mention_or_a_link(text: str) -> None:
    assert MARKUP.search(active(clean(text))) is None


@given(st.text(st.sampled_from("\\[]()<>@#*_~|`-:/ehvry"), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_markup_gets_through(text: str) -> None:
    assert MARKUP.search(active(clean(text))) is None


# A mention of a person without a name is ours; the history tests say when there is one.
OURS = re.compile(r"<t:-?\d+:\w>|\[see Composio\]\(https://app\.composio\.dev/accounts\)")
FORBIDDEN = re.compile(r"\]\(|<[@#:/t]|@(everyone|here)|\w://")


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_answer_holds_a_link_or_mention_that_others_wrote(text: str) -> None:
    async for answer in everything(text):
        # Inside a code span nothing is markup.
        shown = re.sub(r"`[^`]*`", "", OURS.sub("", active(written(answer))))
        assert FORBIDDEN.search(shown) is None


@pytest.mark.parametrize("text", ["Foo_Bar", "A-B", "C#", "(x)"])
async def test_no_answer_escapes_what_others_wrote_twice(text: str) -> None:
    async for answer in everything(text):
        assert "\\" not in read(written(answer))


def test_no_answer_pings_anybody_whatever_it_quotes() -> None:
    answer = Answer(text="@everyone")

    for parts in (answer.parts(), answer.given()):
        assert parts["allowed_mentions"].to_dict() == {"parse": []}


def test_a_toolkit_that_is_shown_as_code_has_no_backslashes() -> None:
    answer = reported(DEFAULT, Plan(unknown_toolkits=("microsoft_teams", "a`b")))

    assert "`microsoft_teams`, `ab`" in written(answer)
    assert code("a`b") == "`ab`"
    assert embed_of(answer).fields[0].name == "Skipped"


async def test_nothing_from_outside_is_taken_for_markup(world: World) -> None:
    world.composio.connect("gmail", alias="**x** [free](https://evil.example) @everyone <@1>")
    await synced(world)

    listed = text(message_of(await world.member.slash(world.channel, "integrations list")))

    assert "](" not in listed
    assert "<@1>" not in listed
    assert "@everyone" not in listed


@pytest.mark.parametrize(
    ("given", "limit", "shortened"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a  bcd", 4, "a…"), ("😀😀", 4, "😀😀"), ("😀😀😀", 4, "😀…")],
)
def test_a_text_is_shortened_with_a_sign_that_some_is_missing(given: str, limit: int, shortened: str) -> None:
    assert shorten(given, limit) == shortened
    assert size(shortened) <= limit


@pytest.mark.parametrize(("number", "said"), [(0, "0 apps"), (1, "1 app"), (2, "2 apps"), (1000, "1,000 apps")])
def test_numbers_are_told_with_their_noun(number: int, said: str) -> None:
    assert count(number, "app") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "1 second"),
        (8.4, "8 seconds"),
        (89.0, "89 seconds"),
        (240.0, "4 minutes"),
        (5340.0, "89 minutes"),
        (7200.0, "2 hours"),
        (47.4 * 3600, "47 hours"),
        (50 * 3600.0, "2 days"),
    ],
)
def test_a_time_is_told_in_what_is_easiest_to_read(seconds: float, said: str) -> None:
    assert seconds_in_words(seconds) == said
