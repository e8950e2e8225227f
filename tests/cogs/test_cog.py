"""The commands: who may use which, and what is said about a name that nobody knows."""

from __future__ import annotations

import pytest

from tests.conftest import World, shown, synced

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("command", "who", "answer"),
    [
        ("toggle", "member", "Only people with the permission **Manage Server** may do this."),
        ("connect", "member", "Only people with the permission **Manage Server** may do this."),
        ("history", "member", "Only people with the permission **Manage Server** may do this."),
        ("revoke", "member", "Only an administrator may do this."),
        ("revoke", "manager", "Only an administrator may do this."),
    ],
)
async def test_who_may_not_is_told_who_may(world: World, command: str, who: str, answer: str) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.requests.clear()

    result = await getattr(world, who).slash(world.channel, f"integrations {command}", provider="gmail")

    assert result.ephemeral
    assert shown(result) == answer
    assert world.composio.requests == []


@pytest.mark.parametrize("command", ["howto", "connect", "toggle", "revoke", "history"])
async def test_an_unknown_app_is_answered_with_the_closest_names(world: World, command: str) -> None:
    result = await world.admin.slash(world.channel, f"integrations {command}", provider="gogle docs")

    assert result.ephemeral
    assert "There is no integration called “gogle docs”. Did you mean **Google Docs**" in shown(result)
