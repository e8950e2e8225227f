"""Names in the history: from what people press, or asked of Discord within a second."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from simcord.actors import MemberActor
from simcord.http.client import FakeHTTPClient

from cogs.integrations.chat.answer import Interaction
from cogs.integrations.chat.people import LOOK_UP_SECONDS, REMEMBERED, People
from tests.cogs.chat.stage import Person
from tests.conftest import World, execute, live, shown, synced


async def history(world: World, person: MemberActor) -> str:
    return shown(await person.slash(world.channel, "integrations history"))


def looked_up(world: World) -> list[str]:
    """Whom the bot has asked Discord for."""
    asked = [request for request in world.env.http_requests if "/members/" in request.path]
    return [request.path.rpartition("/")[2] for request in asked if request.method == "GET"]


@pytest.fixture
async def happened(world: World) -> None:
    """The administrator has synced, and since then the bot has started anew and met nobody."""
    world.composio.connect("gmail")
    await synced(world)
    await world.restart()


async def test_who_has_pressed_or_typed_something_is_known(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)

    assert "· ada" in await history(world, world.manager)
    assert looked_up(world) == []


@pytest.mark.usefixtures("happened")
async def test_a_person_who_was_not_met_yet_is_asked_of_discord_once(world: World) -> None:
    assert "· ada" in await history(world, world.manager)
    assert "· ada" in await history(world, world.manager)

    assert looked_up(world) == [str(world.admin.id)]


@pytest.mark.usefixtures("happened")
async def test_a_nickname_of_the_server_goes_first(world: World) -> None:
    world.env.backend.get_member(world.guild.id, world.admin.id).nick = "Countess"

    assert "· Countess" in await history(world, world.manager)


@pytest.mark.usefixtures("happened")
async def test_a_person_who_has_left_is_mentioned(world: World) -> None:
    world.guild.remove_member(world.admin)

    assert f"· <@{world.admin.id}>" in await history(world, world.manager)


@pytest.mark.usefixtures("happened")
async def test_a_failure_of_discord_hides_no_history(world: World) -> None:
    world.env.inject_error("GET", "/guilds/*/members/*", status=403, code=50001)

    said = await history(world, world.manager)

    assert f"🟢 **Gmail** connected · <@{world.admin.id}>" in said


@pytest.mark.usefixtures("happened")
async def test_while_discord_is_silent_the_history_comes_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SimCord answers at once: at its HTTP edge this one never does, until the bot has lost patience."""
    answer = FakeHTTPClient.request

    async def hang(self: FakeHTTPClient, route: Any, **options: Any) -> Any:
        if "/members/" in route.url:
            await world.env.external_wait(asyncio.Event().wait(), reason="Discord is silent")
        return await answer(self, route, **options)

    monkeypatch.setattr(FakeHTTPClient, "request", hang)
    assert LOOK_UP_SECONDS <= 1.0
    monkeypatch.setattr(live("chat.people"), "LOOK_UP_SECONDS", 0.05)

    assert f"🟢 **Gmail** connected · <@{world.admin.id}>" in await history(world, world.manager)


@pytest.mark.parametrize(
    ("nick", "said"),
    [
        ("**boss**", "\\*\\*boss\\*\\*"),
        ("[x](https://evil.example)", "\\[x\\]\\(https\\://evil.example\\)"),
        ("<@1> @everyone", "\\<@1\\> @\u200beveryone"),
        ("-# small", "\\-\\# small"),
    ],
)
@pytest.mark.usefixtures("happened")
async def test_a_name_is_taken_for_no_markup(world: World, nick: str, said: str) -> None:
    world.env.backend.get_member(world.guild.id, world.admin.id).nick = nick

    assert f"· {said} ·" in await history(world, world.manager)


async def test_the_bot_itself_has_a_name_too(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)

    execute("UPDATE integrations_event SET person_id = NULL")

    assert "· the bot itself" in await history(world, world.manager)


async def test_only_so_many_names_are_remembered_and_the_newest() -> None:
    known = People()
    for number in range(REMEMBERED + 1):
        who = SimpleNamespace(id=number, display_name=f"person {number}")
        known.met(cast("Interaction", Person(user=who, guild_id=None)))

    named = await known.names(None, [0, 1, REMEMBERED])

    assert named == {0: "<@0>", 1: "person 1", REMEMBERED: f"person {REMEMBERED}"}


async def test_a_name_belongs_to_the_server_that_it_is_used_in() -> None:
    known = People()
    known.met(cast("Interaction", Person()))

    assert await known.names(None, [7]) == {7: "<@7>"}
