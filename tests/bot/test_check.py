"""The check: what it says of each part, and that it names no secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import discord
import pytest

from bot.check import check
from bot.cli import main
from bot.sandbox.standin import StandIn
from tests.bot.fake_discord import TOKEN, Discord
from tests.bot.test_cli import KEY, NOWHERE


@pytest.fixture
def checked(environment: pytest.MonkeyPatch, discord_url: str) -> pytest.MonkeyPatch:
    """Settings with which every part works."""
    environment.setenv("DISCORD_TOKEN", TOKEN)
    environment.setattr(discord.http.Route, "BASE", discord_url)
    return environment


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What was said, by part; nothing of it is a secret."""
    written = capsys.readouterr()
    assert written.err == ""
    assert "must-not-leak" not in written.out
    return {line[7:].split(maxsplit=1)[0]: line for line in written.out.splitlines()}


def failed(said: Mapping[str, str]) -> list[str]:
    return [part for part, line in said.items() if not line.startswith("ok ")]


async def test_the_check_says_that_all_four_parts_work(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await check()

    said = lines(capsys)
    assert list(said) == ["settings", "database", "composio", "discord"]
    assert failed(said) == []
    assert "8 providers; Composio user peterbot-user; servers: 1 named" in said["settings"]
    assert "Peterbot" in said["discord"]


async def test_the_check_names_a_key_that_composio_refuses(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked.setenv("COMPOSIO_API_KEY", KEY)

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["composio"]
    assert "Composio refused the API key" in said["composio"]


async def test_the_check_says_when_composio_is_down(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], composio: StandIn
) -> None:
    await composio.close()

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["composio"]
    assert "Composio did not answer" in said["composio"]


async def test_the_check_says_when_the_database_cannot_be_written(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checked.setenv("INTEGRATIONS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}")

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["database"]
    assert "INTEGRATIONS_DATABASE_URL: " in said["database"]
    assert "unable to open database file" in said["database"]


async def test_the_check_says_when_a_database_server_is_down_without_its_password(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked.setenv("INTEGRATIONS_DATABASE_URL", "postgresql+asyncpg://bot:must-not-leak@127.0.0.1:9/bot")

    assert not await check()

    assert failed(lines(capsys)) == ["database"]


async def test_the_check_shows_where_the_database_is_and_no_options(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///bot.db?timeout=5")

    assert await check()

    where = Path("bot.db").absolute()  # noqa: ASYNC240
    assert lines(capsys)["database"].endswith(f" the file {where} does not exist yet; the next start makes it")
    assert not where.exists()


async def test_the_check_names_a_token_that_discord_refuses(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], discord_server: Discord
) -> None:
    discord_server.token = "another"

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["discord"]
    assert "DISCORD_TOKEN is wrong: Discord refused it" in said["discord"]


async def test_the_check_names_a_missing_token_and_still_tries_the_rest(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked.delenv("DISCORD_TOKEN")

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["discord"]
    assert "DISCORD_TOKEN is missing" in said["discord"]


async def test_the_check_says_when_discord_is_out_of_reach(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked.setattr(discord.http.Route, "BASE", NOWHERE)

    assert not await check()

    said = lines(capsys)
    assert failed(said) == ["discord"]
    assert "Discord cannot be asked: ClientConnectorError" in said["discord"]


@pytest.mark.parametrize(
    ("name", "value"), [("INTEGRATIONS_GUILD_IDS", ""), ("INTEGRATIONS_CATALOG", "missing.toml")]
)
async def test_with_a_wrong_setting_only_discord_is_tried_as_well(
    checked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    checked.setenv(name, value)

    assert not await check()

    said = lines(capsys)
    assert list(said) == ["settings", "discord"]
    assert failed(said) == ["settings"]
    assert name in said["settings"]


def test_a_failed_check_is_a_failure_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPOSIO_API_KEY", KEY)
    monkeypatch.delenv("INTEGRATIONS_GUILD_IDS", raising=False)

    assert main(["check"]) == 1

    assert lines(capsys)["settings"].startswith("FAILED settings  INTEGRATIONS_GUILD_IDS is missing: ")
