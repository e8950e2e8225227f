"""``python -m bot sandbox``: the main job once as text, then the channel in a browser."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from typing import Any

from simcord.backend.errors import SetupError
from simcord.env import Env
from simcord.preview import Preview

from bot.sandbox.text import readable
from bot.sandbox.world import World, keep_fresh, later, open_world, set_the_scene

TICK_SECONDS = 1.0


async def run(*, serve: bool, port: int) -> int:
    """Print list, sync, list; then serve the channel until Ctrl+C. Returns the exit code."""
    async with open_world() as world:
        await set_the_scene(world)
        for command in ("integrations list", "integrations sync", "integrations list"):
            await _show(world, command)
        if serve:
            await later(world)
            await keep_fresh(world)
            await _serve(world, port)
    return 0


async def _show(world: World, command: str) -> None:
    result = await world.admin.slash(world.channel, command)
    assert result.response is not None  # noqa: S101 – a command that answers nothing is a bug to see at once
    print(f"\nAda uses /{command}\n", flush=True)
    for embed in result.response.embeds:
        print("\n".join(f"  {line}" for line in readable(embed, world.env.now()).splitlines()))


async def _serve(world: World, port: int) -> None:
    preview = world.env.preview(
        world.channel, viewers=[world.admin, world.member], layout="channel", port=port or None
    )
    async with preview:
        print(f"\nThe channel, as Ada (administrator) or Max (member): {preview.url}")
        print(f"The stand-in for Composio's dashboard:               {world.composio.dashboard_url}")
        print("Expire a connection there, and see the bot tell the channel by itself, and its board change;")
        print("connect it again from the channel, with Reconnect now under what the bot has told.")
        print("Type /integrations into the channel. Ctrl+C ends the sandbox.", flush=True)
        clock = asyncio.create_task(keep_time(world, preview))
        try:
            await _until_stopped(preview.wait_closed())
        finally:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)


async def _until_stopped(closed: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stopped.set)
    ends = [asyncio.create_task(closed), asyncio.create_task(stopped.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()


async def keep_time(world: World, preview: Preview, tick: float = TICK_SECONDS) -> None:
    """Let SimCord's clock go with the wall's, and show on the pages what the bot posts by itself."""
    last = time.monotonic()
    seen = 0
    while True:
        await asyncio.sleep(tick)
        now = time.monotonic()
        world.env.backend.advance_clock(now - last)
        last = now
        preview.capture_time = world.env.now()
        _begin_what_is_due(world.env)
        news = world.env.http_requests[seen:]
        seen += len(news)
        if any(map(_is_message, news)):
            _publish(preview)


def _begin_what_is_due(env: Env) -> None:
    """Call the timers whose time has come, and give way to nobody meanwhile; what they wake goes on by itself.

    SimCord does one thing at a time. To settle in peace would take it some turns of the loop, and what a visitor
    does in one of them would be refused, which a page never gets over: its buttons stay grey until it is reloaded.
    """
    settling = env.settle(timeout=0)
    with contextlib.suppress(SetupError):  # a visitor is just doing something, and that settles too
        settling.send(None)
    settling.close()


def _is_message(request: Any) -> bool:
    """Whether something was said in the channel, or an answer was edited, which the bot may do by itself too."""
    return bool(request.method != "GET" and request.path.startswith(("/channels/", "/webhooks/")))


def _publish(preview: Preview) -> None:
    # What `Preview.refresh` does, but for the settling, which is no more in peace here than above.
    for page in list(preview._pages.values()):  # noqa: SLF001
        preview._publish(page, reason="refresh")  # noqa: SLF001
