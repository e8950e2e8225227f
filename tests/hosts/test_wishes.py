"""Commands of a host that want proof where there is none to be had: the start says so, and names the command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.sandbox.faults import Refuse
from cogs.integrations import guard, wishes
from cogs.integrations.guard import AnyBot
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import SettingsError
from cogs.integrations.names import COG
from tests.conftest import World, live
from tests.hosts.host import bot_of, make, plugin

HOUR = timedelta(hours=1)
UNPROVABLE = "which has no address that tells who is signed in"


def command(provider: str) -> app_commands.Command[Any, ..., Any]:
    """One of a host, made with what is imported now."""

    async def write(interaction: discord.Interaction[Any]) -> None:
        await interaction.followup.send("written")

    guarded = live("guard").requires_integration(provider, verified_within=HOUR)(write)
    return app_commands.Command(name="write", description="Write a document", callback=guarded)


async def looked_up(world: World) -> None:
    """What is found out of late commands is told."""
    await asyncio.sleep(0)  # it begins in the loop, wherever a command is made
    cog: Any = bot_of(world).get_cog(COG)
    await cog.wished.__self__.settled()


@pytest.fixture(autouse=True)
def _nobody_wishes() -> Iterator[None]:
    """What is not loaded now has wishes that were made before."""
    yield
    import_module("cogs.integrations.guard").WISHES.clear()


@pytest.mark.parametrize(
    ("provider", "reason"),
    [("google docs", UNPROVABLE), ("gihub", "which is no app of the catalogue")],
)
async def test_what_cannot_be_proved_is_refused_at_load_in_a_sentence(
    world: World, provider: str, reason: str
) -> None:
    command(provider)

    said = await plugin(world, "load")

    assert f"write asks for verified_within of '{provider}', {reason}" in said
    assert COG not in bot_of(world).cogs


def catalogue(file: str, provider: str, label: str) -> None:
    """Write a file of a catalogue that has an app with an address."""
    Path(file).write_text(
        f"""extend = true
[[provider]]
id = "{provider}"
label = "{label}"
category = "Work"
description = "Needed for work"
whoami = "https://{provider}.example/me"
""",
        encoding="utf-8",
    )


async def test_an_address_in_the_catalogue_is_one(world: World, environment: pytest.MonkeyPatch) -> None:
    catalogue("catalog.toml", "googledocs", "Google Docs")
    environment.setenv("INTEGRATIONS_CATALOG", "catalog.toml")
    command("google docs")

    assert await plugin(world, "load") == "done"


async def test_a_command_that_is_there_before_a_reload_is_asked_about_again(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    await test_an_address_in_the_catalogue_is_one(world, environment)
    bot_of(world).tree.add_command(command("google docs"))
    environment.delenv("INTEGRATIONS_CATALOG")

    said = await plugin(world, "reload")

    assert UNPROVABLE in said


async def test_an_app_that_nobody_knows_is_refused_where_the_command_is_made(world: World) -> None:
    await plugin(world, "load")

    with pytest.raises(live("mirror.errors").SettingsError, match="no app of the catalogue"):
        command("gihub")


@asynccontextmanager
async def another() -> AsyncIterator[AnyBot]:
    """A second bot in this process, with the plugin, a database of its own, and a catalogue that has Jira."""
    catalogue("jira.toml", "jira", "Jira")
    settings = live("settings").IntegrationsSettings.read(
        INTEGRATIONS_CATALOG="jira.toml", INTEGRATIONS_DATABASE_URL="sqlite+aiosqlite:///another.db"
    )
    bot = make()
    await import_module("cogs.integrations").add_to(bot, settings)
    try:
        yield bot
    finally:
        await bot.remove_cog(COG)


async def test_what_commands_of_another_bot_want_is_no_mistake_of_this_one(world: World) -> None:
    async with another() as bot:
        bot.tree.add_command(command("jira"))

        assert await plugin(world, "load") == "done"


async def test_an_app_that_one_of_two_bots_knows_is_no_mistake(world: World) -> None:
    await plugin(world, "load")
    async with another():
        command("jira")

        with pytest.raises(live("mirror.errors").SettingsError, match="no app of the catalogue"):
            command("gihub")


async def test_what_cannot_be_proved_is_logged_when_the_command_comes_later(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await plugin(world, "load")
    command("github")
    command("google docs")

    await looked_up(world)

    [record] = [one for one in caplog.records if one.name == "cogs.integrations.wishes"]
    assert record.levelname == "ERROR"
    assert UNPROVABLE in record.message


async def test_a_command_made_with_what_was_imported_before_a_reload_is_heard_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await plugin(world, "load")
    before = live("guard").requires_integration
    await plugin(world, "reload")

    async def write(_: discord.Interaction[Any]) -> None:
        """Never run."""

    before("google docs", verified_within=HOUR)(write)
    await looked_up(world)
    assert UNPROVABLE in caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_composio_that_cannot_be_asked_does_not_stop_the_start(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    command("github")
    world.composio.fail(Refuse(500), path="*/toolkits/github", times=None)

    assert await plugin(world, "load") == "done"
    assert "it is not known whether that can be proved" in caplog.text


class Silent:
    """Stands where the prover does, beside a Composio that never answers."""

    async def can_check(self, _: object) -> bool:
        return bool(await asyncio.Event().wait())


async def test_a_composio_that_stays_silent_does_not_hold_the_start_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wishes, "PATIENCE_SECONDS", 0.05)
    prover: Any = Silent()

    async with asyncio.timeout(5):
        await wishes.Wishes(DEFAULT, prover).refuse([guard.Wish("host.close", "github")] * 3)

    assert "Composio does not answer" in caplog.text


async def test_an_app_that_nobody_knows_is_refused_though_composio_stays_silent() -> None:
    prover: Any = Silent()

    with pytest.raises(SettingsError, match=r"host\.write asks for verified_within of 'gihub'"):
        await wishes.Wishes(DEFAULT, prover).refuse(
            [guard.Wish("host.close", "github"), guard.Wish("host.write", "gihub")]
        )
