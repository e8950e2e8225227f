"""An agent's session at the stand-in, as Composio's own client asks for one."""

from __future__ import annotations

from typing import Any

import composio_client
import httpx
import pytest
from composio_client import AsyncComposio

from bot.sandbox.api import API
from bot.sandbox.standin import StandIn

pytestmark = pytest.mark.quick

PATH = f"{API}/tool_router/session"
WANTED: dict[str, Any] = {
    "user_id": "peterbot-user",
    "toolkits": {"enable": ["gmail", "github"]},
    "manage_connections": {"enable": False},
}


async def test_a_session_passes_strict_validation(standin: StandIn, client: AsyncComposio) -> None:
    session = await client.tool_router.session.create(**WANTED)

    assert session.session_id.startswith("trs_")
    assert session.config.user_id == "peterbot-user"
    assert session.config.model_dump()["toolkits"]["enabled"] == ["gmail", "github"]
    assert session.mcp.url.startswith(standin.base_url)
    assert list(standin.sessions) == [session.session_id]


@pytest.mark.parametrize("enable", [True, False])
async def test_the_tools_for_connecting_come_when_they_are_asked_for(client: AsyncComposio, enable: bool) -> None:
    session = await client.tool_router.session.create(**WANTED | {"manage_connections": {"enable": enable}})

    assert ("COMPOSIO_MANAGE_CONNECTIONS" in session.tool_router_tools) is enable


async def test_each_session_has_an_id_of_its_own(standin: StandIn, client: AsyncComposio) -> None:
    for _ in range(2):
        await client.tool_router.session.create(**WANTED)

    assert len(standin.sessions) == 2


async def test_a_session_was_created_and_not_just_answered(http: httpx.AsyncClient) -> None:
    assert (await http.post(PATH, json=WANTED)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": ""},
        {"user_id": 1},
        {"toolkits": {"disable": ["gmail"]}},
        {"toolkits": {"enable": "gmail"}},
        {"toolkits": {"enable": ["gmail"], "require_approval": ["gmail"]}},
        {"manage_connections": {"enable": True, "callback_url": "https://example.org"}},
        {"workbench": {"enable": False}},
    ],
)
async def test_what_is_not_known_here_is_refused(
    standin: StandIn, http: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    answer = await http.post(PATH, json=WANTED | change)

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, 400)
    assert standin.sessions == {}


async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post(PATH, content=b"\xff")).status_code == 400


async def test_sessions_can_be_made_and_nothing_else(standin: StandIn, client: AsyncComposio) -> None:
    session = await client.tool_router.session.create(**WANTED)

    with pytest.raises(composio_client.NotFoundError):
        await client.tool_router.session.retrieve(session.session_id)
    with pytest.raises(composio_client.NotFoundError):
        await client.tool_router.session.delete(session.session_id)
    assert len(standin.sessions) == 1
