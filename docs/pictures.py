"""Takes the pictures of the README: ``.venv/bin/python docs/pictures.py``, with the extra ``dev``.

Each command is used in the sandbox's world, and the message that answers is photographed in a headless Chromium.
``--narrow`` takes them as wide as a phone, to look at; ``--folder`` puts them elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import discord
from discord import app_commands
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from simcord.actors import MemberActor
from simcord.preview import Preview
from simcord.results import InteractionResult

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bot.client import Bot  # noqa: E402
from bot.sandbox.world import GUILD_ID, World, open_world, set_the_scene  # noqa: E402
from cogs.integrations import requires_integration  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW, HEIGHT = 784, 400, 1600
ABOVE, BELOW = 8, 2  # what of the channel is seen around the message
COLOURS = 128
PATIENCE = 30.0  # seconds; a browser beside it takes its share of the processor
READY = "() => window.simcordPreview?.ready && window.simcordPreview.authorized"
MESSAGE = "#channel-message-list > article"

Shot = tuple[str, MemberActor, discord.Message]


async def scenes(world: World) -> AsyncIterator[Shot]:
    """What is done, one after the other, and the name of the picture of each answer."""
    ada, max_ = world.admin, world.member
    yield "sync", ada, await _use(ada, world, "sync")
    listed = await _use(ada, world, "list")
    world.env.backend.advance_clock(timedelta(minutes=12).total_seconds())
    yield "list", ada, listed
    yield "card-administrator", ada, _message(await ada.select(listed, ["gmail"]))
    yield "card-member", max_, _message(await max_.select(listed, ["gmail"]))
    yield "card-expired", max_, _message(await max_.select(listed, ["notion"]))
    yield "toggle", ada, await _use(ada, world, "toggle", provider="googledocs", enabled=False)
    yield "howto", max_, await _use(max_, world, "howto", provider="notion")
    offer = await ada.slash(world.channel, "integrations connect", provider="linear")
    yield "connect", ada, _message(offer)
    world.composio.allow(next(reversed(world.composio.links)), owner="ada@example.com")
    await world.env.advance_time(12)
    yield "connected", ada, _message(offer)  # the same message, as it is now
    yield "refusal", max_, _message(await max_.slash(world.channel, "minutes"))
    question = await ada.slash(world.channel, "integrations revoke", provider="github")
    yield "revoke", ada, _message(question)
    await ada.click(_message(question), label="Revoke 2 accounts")
    yield "receipt", ada, _message(question)  # the same message, as it is now
    yield "history", ada, await _use(ada, world, "history")
    yield "history-of-one", ada, await _use(ada, world, "history", provider="notion")
    for account in [one for one in world.composio.accounts.values() if one.toolkit == "googlecalendar"]:
        world.composio.kill_token(account.id)
    yield "verify", ada, await _use(ada, world, "verify")
    await _use(ada, world, "alerts", channel=world.channel)
    for account in [one for one in world.composio.accounts.values() if one.toolkit == "gmail"]:
        world.composio.expire(account.id)
    yield "alert", max_, await _posted_after_a_sync(world)
    world.composio.connect("gmail")
    yield "alert-over", max_, await _posted_after_a_sync(world)


async def _posted_after_a_sync(world: World) -> discord.Message:
    """What the bot has posted of itself, once there was time for it."""
    await _use(world.admin, world, "sync")
    world.env.backend.advance_clock(timedelta(minutes=3).total_seconds())
    await world.env.advance_time(12)
    return next(one for one in reversed(world.channel.history()) if one.interaction_metadata is None)


async def _use(person: MemberActor, world: World, command: str, **options: Any) -> discord.Message:
    return _message(await person.slash(world.channel, f"integrations {command}", **options))


def _message(result: InteractionResult) -> discord.Message:
    assert result.response is not None  # noqa: S101 – a command that answers nothing is a bug to see at once
    return result.response.message


@app_commands.command(description="Write the minutes of the meeting into Notion")
@requires_integration("notion")
async def minutes(interaction: discord.Interaction[Any]) -> None:
    """A host's command, to be refused."""
    await interaction.response.send_message("Written.")


async def _add_a_command(world: World) -> None:
    tree, guild = cast("Bot", world.env.bot).tree, discord.Object(GUILD_ID)
    tree.add_command(minutes, guild=guild)
    await tree.sync(guild=guild)


async def _photograph(page: Page, preview: Preview, message: discord.Message, path: Path) -> None:
    async with preview:
        await preview.show(message)
        await page.goto(preview.url)
        await page.wait_for_function(READY)
        said = message.embeds[0].title if message.embeds else None
        box = await page.locator(MESSAGE, has_text=said or "").last.bounding_box()
        assert box is not None  # noqa: S101 – it was found
        box["y"] -= ABOVE
        box["height"] += ABOVE + BELOW
        _save(await page.screenshot(clip=box), path)


def _save(png: bytes, path: Path) -> None:
    """With few colours, which is enough for flat ones."""
    from PIL import Image  # noqa: PLC0415

    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(path.name, path.stat().st_size)  # noqa: T201


async def take(browser: Browser, folder: Path, *, narrow: bool) -> None:
    """Take all pictures."""
    size = ViewportSize(width=NARROW if narrow else WIDE, height=HEIGHT)
    async with open_world() as world:
        world.env.settle_timeout = PATIENCE
        await set_the_scene(world)
        await _add_a_command(world)
        async for name, person, message in scenes(world):
            page = await browser.new_page(viewport=size, device_scale_factor=2)
            preview = world.env.preview(world.channel, viewers=[person], layout="channel")
            await _photograph(page, preview, message, folder / f"{name}.png")
            await page.close()


async def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narrow", action="store_true", help="as wide as a phone")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "pictures")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True, parents=True)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        await take(browser, options.folder, narrow=options.narrow)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
