"""The sandbox's clock, beside visitors who do something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from types import SimpleNamespace

import httpx
import pytest
from simcord.preview import Preview

from bot.sandbox import run
from bot.sandbox.world import World, open_world
from tests.conftest import message_of

pytest.importorskip("markdown_it", reason="the extra `sandbox` is not installed")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as world:
        yield world


@pytest.fixture
async def preview(world: World) -> AsyncIterator[Preview]:
    async with world.env.preview(world.channel, viewers=[world.admin], layout="channel") as preview:
        yield preview


@pytest.fixture
async def clock(world: World, preview: Preview) -> AsyncIterator[None]:
    """Ticks all the time."""
    ticking = asyncio.create_task(run.keep_time(world, preview, tick=0))
    yield
    assert not ticking.done()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


@pytest.mark.usefixtures("clock")
async def test_no_tick_makes_the_page_refuse_what_a_visitor_does(preview: Preview) -> None:
    address, capability = preview.url.split("/#")
    headers = {"X-Simcord-Capability": capability}
    async with httpx.AsyncClient(base_url=address, headers=headers) as http:
        page = (await http.post("/api/pages", json={})).json()
        http.headers["X-Simcord-Context"] = page["context"]["id"]
        scope = {"generation": page["context"]["generation"], "bot_generation": page["botGeneration"]}
        for number in range(1, 51):
            action = {"kind": "refresh", "protocol_version": 3, "sequence": number, "request_id": str(number)}
            answer = await http.post("/api/action", json=action | scope)
            assert answer.status_code == 200, answer.text
            assert answer.json()["settlement"] == "settled"


async def test_a_question_ends_by_itself(world: World, preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    world.composio.connect("github")
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    assert question.components

    half_minutes = count(step=30)
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(half_minutes)))
    ticking = asyncio.create_task(run.keep_time(world, preview, tick=0))
    async with asyncio.timeout(30):
        while question.components:  # noqa: ASYNC110 – it is the page that is looked at
            await asyncio.sleep(0)
    ticking.cancel()
