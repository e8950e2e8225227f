"""The command line as people use it: ``python -m bot`` in a process of its own, and what ``check`` says."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import discord
import pytest
from aiohttp import web

from bot.cli import main
from tests.bot.fake_discord import TOKEN, Discord, serving

ROOT = Path(__file__).parents[2]
SECONDS = 120  # how long a process may take on a busy machine
KEY = "ak_that-must-not-leak"
NOWHERE = "http://127.0.0.1:9"  # the port "discard": nothing listens there
COMPLETE = {
    "DISCORD_TOKEN": TOKEN,
    "COMPOSIO_API_KEY": KEY,
    "COMPOSIO_BASE_URL": NOWHERE,
    "INTEGRATIONS_GUILD_IDS": "4000000000000000001",
}
# Like `python -m bot`, with another address for Discord, and no gateway: the bot waits instead.
CLIENT = """
import asyncio, sys, discord
from discord.http import Route
from bot.cli import main

async def wait(self, *, reconnect=True):
    print("up", flush=True)
    await asyncio.Event().wait()

Route.BASE = sys.argv[1]
discord.Client.connect = wait
sys.exit(main(["run"]))
"""


def surroundings(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment with nothing in it but these; the working directory has no `.env` either."""
    return {"PYTHONPATH": str(ROOT), **settings}


def python(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=surroundings(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a process ends with when a setting is wrong."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "must-not-leak" not in line
    return line


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@asynccontextmanager
async def client(folder: Path, discord_url: str, **settings: str) -> AsyncIterator[Process]:
    """A bot against *discord_url*; ended at the latest when the test ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, discord_url),
        cwd=folder,
        env=surroundings(COMPLETE | settings),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


# What is said about wrong settings


@pytest.mark.parametrize("name", ["DISCORD_TOKEN", "COMPOSIO_API_KEY", "INTEGRATIONS_GUILD_IDS"])
def test_a_missing_setting_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    settings = {key: value for key, value in COMPLETE.items() if key != name}

    assert refusal(python(tmp_path, "-m", "bot", **settings)).startswith(f"{name} is missing: ")


def test_a_wrong_setting_is_named_in_one_line_without_its_value(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "bot", "run", **COMPLETE | {"COMPOSIO_API_KEY": f"{KEY} and more"})

    assert refusal(done).startswith("COMPOSIO_API_KEY is wrong: ")


def test_a_wrong_catalogue_that_a_file_of_settings_names_is_told_with_its_line(tmp_path: Path) -> None:
    settings = COMPLETE | {"INTEGRATIONS_CATALOG": "apps.toml"}
    lines = [f"{name}={value}" for name, value in settings.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "apps.toml").write_text("[[provider]]\nid = gmail\n", encoding="utf-8")

    line = refusal(python(tmp_path, "-m", "bot"))

    assert line.startswith("INTEGRATIONS_CATALOG is wrong: apps.toml")
    assert "line 2" in line


def test_an_unusable_database_is_told_in_one_line(tmp_path: Path) -> None:
    line = refusal(python(tmp_path, "-m", "bot", **COMPLETE, INTEGRATIONS_DATABASE_URL="sqlite+aiosqlite:///."))

    assert line.startswith("INTEGRATIONS_DATABASE_URL cannot be used (")


# Running


async def test_a_token_that_discord_refuses_is_told_last(
    tmp_path: Path, discord_server: Discord, discord_url: str
) -> None:
    discord_server.token = "another"

    async with client(tmp_path, discord_url) as process:
        _, stderr = await process.communicate()

    assert process.returncode == 2
    assert stderr.decode().splitlines()[-1].startswith("DISCORD_TOKEN is wrong: Discord refused it")
    assert b"Traceback" not in stderr
    assert TOKEN.encode() not in stderr


def test_discord_out_of_reach_is_a_failure_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(discord.http.Route, "BASE", NOWHERE)
    monkeypatch.setattr("bot.cli._set_up_logging", lambda: None)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)

    assert main(["run"]) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Discord cannot be reached: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_bot_and_closes_what_it_opened(
    tmp_path: Path, discord_server: Discord, discord_url: str, number: signal.Signals
) -> None:
    async with client(tmp_path, discord_url) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        assert discord_server.registered == ["/applications/7/guilds/4000000000000000001/commands"]
        process.send_signal(number)
        _, stderr = await process.communicate()

    assert process.returncode == 0
    assert b"Traceback" not in stderr
    # SQLite takes its write-ahead log away when the last connection is closed.
    assert files(tmp_path) == ["integrations.db"]


async def test_a_signal_ends_a_bot_that_is_still_logging_in(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    silent = web.Application()
    silent.router.add_get("/users/@me", hang)
    async with serving(silent) as url, client(tmp_path, url) as process:
        await asked.wait()
        process.terminate()
        _, stderr = await process.communicate()

    assert process.returncode == 0
    assert b"Traceback" not in stderr


# The sandbox


def test_the_sandbox_tells_the_main_job(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "bot", "sandbox", "--no-serve")

    assert (done.returncode, done.stderr) == (0, "")
    _, before, sync, after = done.stdout.split("Ada uses ")
    assert before.startswith("/integrations list\n")
    assert "🟢 Linear · Connected · " in before
    assert "🟡 Google Calendar · Connected (disabled)\n" in before
    assert "🔴 GitHub · Not connected" in before
    assert sync.startswith("/integrations sync\n")
    assert "Synced: 2 added, 2 removed, 2 unchanged" in sync
    assert "slack" in sync
    assert "at Composio, but not an app this bot knows" in sync
    assert after.startswith("/integrations list\n")
    assert "🟢 4 of 8 connected · 🟠 1 needs attention" in after
    assert "🟠 Notion · Needs reconnecting · " in after
    assert "🔴 Linear · Not connected" in after
    assert files(tmp_path) == []


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_the_sandbox_refuses_what_is_no_port(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "--port", port])

    assert ended.value.code == 2
    assert "error: argument --port: " in capsys.readouterr().err.splitlines()[-1]


def test_a_port_that_is_taken_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert main(["sandbox", "--port", str(port)]) == 1

    assert capsys.readouterr().err == f"the sandbox cannot be shown: preview could not bind port {port}\n"


def test_a_sandbox_without_its_library_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "simcord", None)

    assert main(["sandbox"]) == 2

    assert capsys.readouterr() == (
        "",
        "the sandbox needs simcord: install it with pip install -e '.[sandbox]'\n",
    )
