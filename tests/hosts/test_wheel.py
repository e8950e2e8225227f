"""The built wheel in a fresh environment, beside hosts of every shape."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.hosts.conftest import BOT, PROJECT, Host

EXTEND_PATH = '__path__ = __import__("pkgutil").extend_path(__path__, __name__)\n'
LEAVES = ("cogs/integrations", "storage/integrations")


# The wheel


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> Message:
    """What an index and pip read of it."""
    [name] = [name for name in names(wheel) if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(name))


def required(wheel: Path, extra: str = "") -> dict[str, SpecifierSet]:
    """The packages that the wheel needs always, or those that an extra adds, with their versions."""
    found = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", ())]
    wanted = [line for line in found if (line.marker is None) == (not extra)]
    return {
        line.name: line.specifier for line in wanted if not line.marker or line.marker.evaluate({"extra": extra})
    }


def test_the_wheel_holds_the_two_folders_and_nothing_else(wheel: Path) -> None:
    folders = {name.rpartition("/")[0] for name in names(wheel) if ".dist-info/" not in name}

    rooms = {f"cogs/integrations/{room}" for room in ("chat", "composio", "mirror")}
    migrations = {"storage/integrations/migrations", "storage/integrations/migrations/versions"}
    assert folders == {*LEAVES, *rooms, *migrations}


def test_what_only_the_sandbox_and_agents_need_are_extras(wheel: Path) -> None:
    always = required(wheel)

    assert "discord-py" in always
    assert set(required(wheel, "sandbox")) == {"simcord"}
    assert set(required(wheel, "agent")) == {"composio"}
    assert set(required(wheel, "postgres")) == {"asyncpg"}
    assert not {"simcord", "composio", "asyncpg"} & set(always)


@pytest.mark.parametrize("version", ["2.0.0rc19", "2.0.0rc22"])
def test_both_clients_that_agents_may_bring_are_welcome(wheel: Path, version: str) -> None:
    assert required(wheel)["composio-client"].contains(version)


def test_every_package_is_a_range(wheel: Path) -> None:
    for versions in required(wheel).values():
        assert sorted(version.operator for version in versions) == ["<", ">="]


def test_the_metadata_say_what_it_is_for_and_who_may_use_it(wheel: Path) -> None:
    told = metadata(wheel)

    classifiers = told.get_all("Classifier", ())
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 14)} <= set(classifiers)
    assert {"Topic :: Communications :: Chat", "Typing :: Typed"} <= set(classifiers)
    assert told["License-Expression"] == "MIT"
    assert all(" https://" in line for line in told.get_all("Project-URL", ()))
    assert told.get_all("Project-URL")


def test_the_sdist_has_the_documents_and_the_examples(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)  # noqa: S603
    [built] = tmp_path.glob("*.tar.gz")

    with tarfile.open(built) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    assert {"docs/pictures/list.png", "examples/host_bot.py", "examples/agent_bot.py", "README.md"} <= held


def test_a_type_checker_takes_the_wheels_own_types(python: Path, tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text("import cogs.integrations\nimport storage.integrations\n", "utf-8")
    options = ["--strict", "--follow-imports=skip", "--cache-dir", str(tmp_path), "--config-file="]

    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mypy", *options, "--python-executable", python, "host.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "Success: no issues found in 1 source file\n"


# A `cogs` of the host's own


def assert_both_work(seen: dict[str, Any]) -> None:
    assert seen["failure"] is None
    assert seen["greet"] == "Hello!"
    assert "**0 of 8** connected" in seen["list"]
    assert seen["root_logger"] == [logging.WARNING, 0]


def lies_in(seen: dict[str, Any], folder: Path) -> bool:
    return all(Path(file).is_relative_to(folder) for file in seen["files"])


def test_a_plain_cogs_folder_keeps_its_own_cogs_and_gets_ours(host: Host) -> None:
    seen = host.run()

    assert_both_work(seen)
    assert lies_in(seen, host.packages)


def test_a_regular_cogs_package_hides_ours_and_the_host_runs_on(host: Host) -> None:
    host.write({"cogs/__init__.py": ""})

    seen = host.run()

    assert seen["failure"] == "Extension 'cogs.integrations' could not be loaded or found."
    assert seen["greet"] == "Hello!"


def test_a_regular_cogs_package_finds_ours_with_one_line(host: Host) -> None:
    host.write({"cogs/__init__.py": EXTEND_PATH})

    seen = host.run()

    assert_both_work(seen)
    assert lies_in(seen, host.packages)


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def link(source: Path, target: Path) -> None:
    """As to a submodule, whose files lie elsewhere in the host's repository."""
    target.symlink_to(source, target_is_directory=True)


@pytest.mark.parametrize("place", [copy, link])
@pytest.mark.parametrize("storage", ["storage/notes.py", "storage/__init__.py"])
def test_a_regular_cogs_package_works_with_the_two_folders_in_place(
    host: Host, place: Callable[[Path, Path], None], storage: str
) -> None:
    host.write({"cogs/__init__.py": "", storage: ""})
    for leaf in LEAVES:
        place(PROJECT / leaf, host.folder / leaf)

    seen = host.run()

    assert_both_work(seen)
    assert lies_in(seen, host.folder)


# A `storage` of the host's own


def test_a_plain_storage_folder_keeps_its_own_modules_and_gets_ours(host: Host) -> None:
    host.write({"storage/notes.py": 'GREETING = "Hello!"', "words.py": "from storage.notes import GREETING"})

    seen = host.run()

    assert_both_work(seen)
    assert lies_in(seen, host.packages)


@pytest.mark.parametrize(("file", "path"), [("storage.py", []), ("storage/__init__.py", ["storage"])])
def test_a_storage_that_hides_ours_is_left_as_it_is_and_both_work(host: Host, file: str, path: list[str]) -> None:
    host.write({file: 'GREETING = "Hello!"', "words.py": "from storage import GREETING"})

    seen = host.run()

    assert_both_work(seen)
    assert lies_in(seen, host.packages)
    assert seen["storage"] == {
        "file": str(host.folder / file),
        "path": [str(host.folder / name) for name in path],
    }


def test_a_host_whose_cogs_and_storage_both_hide_ours_needs_the_one_line_only(host: Host) -> None:
    host.write({"cogs/__init__.py": EXTEND_PATH, "storage.py": ""})

    assert_both_work(host.run())


def why(seen: dict[str, Any]) -> str:
    """The sentence that loading failed with; the host's own command has worked."""
    assert seen["greet"] == "Hello!"
    return str(seen["failure"]).removeprefix("Extension 'cogs.integrations' raised an error: ")


def test_a_host_that_has_the_name_of_our_module_is_told_so_in_a_sentence(host: Host) -> None:
    host.write({"storage/__init__.py": "", "storage/integrations.py": ""})
    theirs = host.folder / "storage" / "integrations.py"

    assert why(host.run()) == (
        f"ImportError: storage.integrations is this bot's own module ({theirs}): "
        "rename it, the plugin needs the name"
    )


def test_a_host_that_copied_one_of_the_folders_is_told_so_in_a_sentence(host: Host) -> None:
    without_the_wheel = f"import sys; sys.path.remove({str(host.packages)!r})\n"
    host.write({"bot.py": without_the_wheel + dedent(BOT)})
    copy(PROJECT / "cogs/integrations", host.folder / "cogs/integrations")

    assert why(host.run()) == (
        "ModuleNotFoundError: the folder storage/integrations is missing: install discord-integrations with pip, "
        "or copy it beside cogs as you have copied cogs/integrations"
    )


def test_a_hosts_own_tables_may_be_named_like_ours(host: Host) -> None:
    table = """
        from sqlmodel import Field, SQLModel

        class {name}(SQLModel, table=True):
            __tablename__ = "{table}"
            id: int = Field(primary_key=True)
    """
    use = """
        import after, before
        from sqlmodel import Session, SQLModel, create_engine, select

        async def setup(bot):
            engine = create_engine("sqlite:///host.db")
            SQLModel.metadata.create_all(engine)
            with Session(engine) as session:
                session.add_all([before.IntegrationRow(id=1), after.EventRow(id=2)])
                session.commit()
                assert session.exec(select(before.IntegrationRow.id)).all() == [1]
                assert session.exec(select(after.EventRow.id)).all() == [2]
            engine.dispose()
            assert sorted(SQLModel.metadata.tables) == ["integrations_event", "integrations_provider"]
    """
    host.write(
        {
            "before.py": table.format(name="IntegrationRow", table="integrations_provider"),
            "after.py": table.format(name="EventRow", table="integrations_event"),
            "words.py": "import before; GREETING = 'Hello!'",
            "cogs/last.py": use,
        }
    )

    assert_both_work(host.run())


# The kinds of bot


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ("commands.Bot", "intents=discord.Intents.default()"),
        ("commands.AutoShardedBot", "intents=discord.Intents.default(), shard_count=1"),
        ("commands.Bot", "intents=discord.Intents.none()"),
    ],
    ids=["Bot", "AutoShardedBot", "no intents"],
)
def test_the_plugin_works_in_each_kind_of_bot(host: Host, base: str, options: str) -> None:
    text = BOT.replace("(commands.Bot)", f"({base})").replace("intents=discord.Intents.default()", options)
    host.write({"bot.py": text})

    assert_both_work(host.run())
