"""The sandbox's world: a simulated Discord, the real bot in it, and the stand-in for Composio beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import discord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle
from simcord.env import Env

from bot.client import Bot
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.syncs import SHARED_SECONDS
from cogs.integrations.settings import SHORTEST_INTERVAL

API_KEY = "ak_sandbox"
USER_ID = "peterbot-user"
GUILD_ID = 1_000_000_000_000_000_001


@dataclass(frozen=True)
class World:
    """What a visitor of the sandbox sees, and whom they can act as."""

    env: Env
    composio: StandIn
    settings: Mapping[str, str]
    channel: ChannelHandle
    back_room: ChannelHandle
    admin: MemberActor
    member: MemberActor


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """Everything running, with nothing connected yet; closed again at the end."""
    with tempfile.TemporaryDirectory(prefix="integrations-sandbox-") as folder:
        # A longer settling would wait for the timers of idle connections.
        env = Env(Bot([GUILD_ID]), settle_timeout=4.0)
        # SimCord's clock begins in the past; people should see today's date.
        env.backend.advance_clock((datetime.now(UTC) - env.now()).total_seconds())
        env.backend.bot_user.name = "Peterbot"
        guild = env.create_guild("Peterbot's Workshop", id=GUILD_ID)
        async with StandIn(api_key=API_KEY, user_id=USER_ID, clock=env.now) as composio:
            settings = _settings(composio, Path(folder))
            with _environment(settings):
                await env.start()
            try:
                admins = guild.create_role("Administrators", permissions=discord.Permissions(administrator=True))
                yield World(
                    env=env,
                    composio=composio,
                    settings=settings,
                    channel=guild.create_text_channel("ops"),
                    back_room=guild.create_text_channel("back-room"),
                    admin=guild.add_member(env.create_user("ada", global_name="Ada (admin)"), roles=[admins]),
                    member=guild.add_member(env.create_user("max", global_name="Max (member)")),
                )
            finally:
                await env.bot.close()
                await env.shutdown()


def _settings(composio: StandIn, folder: Path) -> Mapping[str, str]:
    return {
        "COMPOSIO_API_KEY": API_KEY,
        "COMPOSIO_BASE_URL": composio.base_url,
        "INTEGRATIONS_COMPOSIO_USER_ID": USER_ID,
        "INTEGRATIONS_GUILD_IDS": str(GUILD_ID),
        "INTEGRATIONS_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'integrations.db'}",
        "INTEGRATIONS_DASHBOARD_URL": composio.dashboard_url,
        "INTEGRATIONS_SYNC_INTERVAL": "0",  # the main job is told first, step by step
    }


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The bot reads its settings where it always does."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def set_the_scene(world: World) -> None:
    """Yesterday, told in the back room; then a night in which something happened at Composio."""
    composio = world.composio
    weeks = timedelta(weeks=1)
    composio.connect("gmail", alias="work-gmail", age=6 * weeks)
    composio.connect("googlecalendar", alias="team-calendar", age=5 * weeks)
    notion = composio.connect("notion", age=4 * weeks)
    linear = composio.connect("linear", age=3 * weeks)
    composio.connect("googledrive", age=weeks, status="INITIATED")
    await world.member.slash(world.back_room, "integrations sync")
    await world.admin.slash(world.back_room, "integrations toggle", provider="googlecalendar", enabled=False)

    await later(world)
    composio.expire(notion.id)
    composio.remove(linear.id)
    composio.connect("googledocs", age=timedelta(hours=7))
    composio.connect("github", alias="peterbot-ci", age=timedelta(days=2))
    composio.connect("github", alias="peterbot-releases", age=timedelta(hours=5))
    composio.connect("slack", age=timedelta(hours=3))


async def keep_fresh(world: World) -> None:
    """From now on the bot notices by itself, tells the channel what breaks, and keeps a board there."""
    with _environment({**world.settings, "INTEGRATIONS_SYNC_INTERVAL": str(SHORTEST_INTERVAL)}):
        await world.env.bot.close()
        await world.env.restart_bot(Bot([GUILD_ID]))
    await world.admin.slash(world.back_room, "integrations alerts", channel=world.channel)
    await world.admin.slash(world.back_room, "integrations board", channel=world.channel)


async def later(world: World) -> None:
    """So much later that a sync reads Composio anew."""
    await world.env.advance_time(SHARED_SECONDS + 1)
