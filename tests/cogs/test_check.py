"""``python -m cogs.integrations check``: a line for each part, an exit code, and nothing that is written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.check import check
from storage.integrations import open_engine, prepare
from storage.integrations.migrations import HEAD, VERSIONS
from tests.storage.databases import migrate_to

API_KEY, SERVER = "ak_right", "7"
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def composio() -> AsyncIterator[StandIn]:
    async with StandIn(api_key=API_KEY, user_id="team") as running:
        yield running


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, composio: StandIn) -> Path:
    """Where the settings say that the database is; nothing is there yet. The working directory is its folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.delenv("INTEGRATIONS_CATALOG", raising=False)
    monkeypatch.setenv("COMPOSIO_API_KEY", API_KEY)
    monkeypatch.setenv("COMPOSIO_BASE_URL", composio.base_url)
    monkeypatch.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "team")
    monkeypatch.setenv("INTEGRATIONS_GUILD_IDS", SERVER)
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", f"sqlite+aiosqlite:///{folder / 'integrations.db'}")
    return folder / "integrations.db"


def holds(database: Path, content: bytes) -> None:
    """Put this in the place of the database."""
    database.write_bytes(content)


def picture(folder: Path) -> dict[str, str]:
    """Every file below, by name and content."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def checked(database: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, dict[str, str]]:
    """Whether all is well, and the line of each part; nothing may be written on the way."""
    folder = database.parent.parent
    before = picture(folder)
    good = await check()
    assert picture(folder) == before
    lines = capsys.readouterr().out.splitlines()
    assert all(line[:7] in ("ok     ", "FAILED ") for line in lines)
    return good, {line[7:].split()[0]: line for line in lines}


async def made(database: Path, version: str = HEAD) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    if version == HEAD:
        await prepare(engine)
    else:
        await migrate_to(engine, version)
    await engine.dispose()


# The database


async def test_a_file_that_is_not_there_yet_is_told_and_not_made(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, lines = await checked(database, capsys)

    assert good
    assert lines["database"] == f"ok     database  the file {database} does not exist yet; the next start makes it"


async def test_a_folder_that_is_missing_fails(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database.parent.rmdir()

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"] == (
        f"FAILED database  INTEGRATIONS_DATABASE_URL is wrong: the folder of {database} does not exist"
    )


async def test_a_database_in_memory_is_refused_as_the_start_would(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///:memory:")

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"].startswith(
        "FAILED database  INTEGRATIONS_DATABASE_URL: this database is only in memory: nothing in it lasts,"
    )


async def test_a_database_that_is_up_to_date_is_well(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await made(database)

    good, lines = await checked(database, capsys)

    assert good
    assert lines["database"] == f"ok     database  the file {database} is up to date (version {HEAD})"


async def test_an_empty_file_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds(database, b"")

    good, lines = await checked(database, capsys)

    assert good
    assert lines["database"] == f"ok     database  the file {database} is empty; the next start makes the tables"


@pytest.mark.parametrize("version", VERSIONS[:-1])
async def test_an_outdated_database_is_told_and_not_migrated(
    database: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    await made(database, version)

    good, lines = await checked(database, capsys)

    assert good
    assert lines["database"] == (
        f"ok     database  the file {database} has version {version}; the next start brings it to {HEAD}"
    )


async def test_a_database_of_a_newer_version_is_refused_as_the_start_would(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await made(database)
    connection = sqlite3.connect(database)
    connection.execute("UPDATE integrations_version SET version_num = '9999'")
    connection.commit()
    connection.close()

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"].startswith(
        "FAILED database  INTEGRATIONS_DATABASE_URL: the database has version 9999,"
    )
    assert lines["database"].endswith("Update the program")


async def test_a_file_that_is_no_database_fails(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds(database, b"Dear diary, " * 100)

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"].startswith(
        "FAILED database  INTEGRATIONS_DATABASE_URL: the database file is damaged or not a database"
    )


async def test_a_database_of_another_program_fails(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE integrations_event (what TEXT)")
    connection.close()

    good, lines = await checked(database, capsys)

    assert not good
    assert "something of another program under a name of ours (integrations_event)" in lines["database"]


async def test_a_file_that_nobody_may_write_is_told_from_what_the_system_says(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(database)
    monkeypatch.setattr(os, "access", lambda *_: False)

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"].endswith(f"INTEGRATIONS_DATABASE_URL is wrong: {database} cannot be written")


async def test_a_url_that_cannot_be_used_fails_without_its_password(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "mysql://bot:hunter2@host/name")

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["database"].startswith("FAILED database  INTEGRATIONS_DATABASE_URL: this database URL cannot be")
    assert "hunter2" not in lines["database"]


# The others


async def test_all_parts_are_told_when_all_is_well(
    database: Path, composio: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    good, lines = await checked(database, capsys)

    assert good
    assert lines["settings"] == "ok     settings  8 providers; Composio user team; servers: 1 named"
    assert lines["composio"] == f"ok     composio  {composio.base_url} accepts the API key"
    assert [request.method for request in composio.requests] == ["GET"]


async def test_a_wrong_key_fails_and_is_not_shown(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSIO_API_KEY", "ak_wrong")

    good, lines = await checked(database, capsys)

    assert not good
    assert lines["composio"].startswith("FAILED composio  ")
    assert lines["composio"].endswith("(status 401)")
    assert lines["database"].startswith("ok ")
    assert "ak_wrong" not in str(lines)


async def test_what_fails_does_not_keep_the_rest_from_being_checked(
    database: Path, composio: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    holds(database, b"no database" * 100)
    composio.fail(Refuse(503), times=None)

    good, lines = await checked(database, capsys)

    assert not good
    assert [line[:6] for line in lines.values()] == ["ok    ", "FAILED", "FAILED"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("COMPOSIO_API_KEY", "", "COMPOSIO_API_KEY is missing: "),
        ("INTEGRATIONS_GUILD_IDS", "", "INTEGRATIONS_GUILD_IDS is missing: "),
        ("INTEGRATIONS_FORGET_DAYS", "-1", "INTEGRATIONS_FORGET_DAYS is wrong: "),
        ("INTEGRATIONS_CATALOG", "nowhere.toml", "INTEGRATIONS_CATALOG is wrong: nowhere.toml: it cannot be read"),
    ],
)
async def test_a_wrong_setting_is_the_only_line(
    database: Path,
    composio: StandIn,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)

    good, lines = await checked(database, capsys)

    assert not good
    assert list(lines) == ["settings"]
    assert lines["settings"].startswith(f"FAILED settings  {told}")
    assert composio.requests == []


# The command line


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, in *folder*, that imports from this repository."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cogs.integrations", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COMPOSIO_BASE_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_from_another_working_directory_it_says_which_file_it_means(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    ended = run(folder, "check")

    assert ended.returncode == 1  # nobody listens where Composio should be
    told = f"ok     database  the file {folder / 'integrations.db'} does not exist yet; the next start makes it"
    assert told in ended.stdout.splitlines()
    assert "FAILED composio" in ended.stdout
    assert list(folder.iterdir()) == []
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("arguments", "code"), [(("--help",), 0), ((), 2), (("chek",), 2)])
def test_the_command_line_helps(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    ended = run(tmp_path, *arguments)

    assert ended.returncode == code
    assert "python -m cogs.integrations" in ended.stdout + ended.stderr


@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_all_is_well(monkeypatch: pytest.MonkeyPatch, good: bool, code: int) -> None:
    from cogs.integrations import __main__ as module  # noqa: PLC0415
    from cogs.integrations import check as checks  # noqa: PLC0415

    async def found() -> bool:
        return good

    monkeypatch.setattr(checks, "check", found)
    monkeypatch.setattr(sys, "argv", ["integrations", "check"])

    assert module.main() == code


async def test_while_a_bot_runs_nothing_beside_its_database_changes(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    await prepare(engine)
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT count(*) FROM integrations_provider")
        good, lines = await checked(database, capsys)
    await engine.dispose()

    assert good
    assert "is up to date" in lines["database"]
    shutil.rmtree(database.parent)
