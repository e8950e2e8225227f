"""Sessions of agents: each is made for one Composio user and some toolkits."""

from __future__ import annotations

from pydantic import BaseModel, Field, ValidationError

from bot.sandbox.model import Body, RefusalError, Request
from bot.sandbox.project import Project, draw

_TOOLS = ["COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MULTI_EXECUTE_TOOL"]
_CONNECTING = ["COMPOSIO_MANAGE_CONNECTIONS"]


class _Toolkits(BaseModel, extra="forbid"):
    enable: list[str]


class _ManageConnections(BaseModel, extra="forbid"):
    enable: bool


class _Wanted(BaseModel, extra="forbid"):
    """As much of a session's configuration as is known here."""

    user_id: str = Field(min_length=1)
    toolkits: _Toolkits
    manage_connections: _ManageConnections


def create_session(project: Project, sent: Request) -> Body:
    """Make the session that `sent` describes. Raises `RefusalError` for a description that is not known here."""
    try:
        wanted = _Wanted.model_validate_json(sent.content)
    except ValidationError as error:
        raise RefusalError(400, "Request_Invalid", f"The stand-in does not know this: {error}") from error
    session_id = f"trs_{draw(f'session {len(project.sessions)}')}"
    project.sessions[session_id] = _config(wanted)
    return {
        "session_id": session_id,
        "mcp": {"type": "http", "url": f"{sent.origin}/tool_router/{session_id}/mcp"},
        "tool_router_tools": _TOOLS + _CONNECTING * wanted.manage_connections.enable,
        "config": project.sessions[session_id],
        "config_version": 1,
    }


def _config(wanted: _Wanted) -> Body:
    """It comes back in other words than it was sent in, and with what was left out."""
    return {
        "user_id": wanted.user_id,
        "toolkits": {"enabled": wanted.toolkits.enable},
        "manage_connections": {"enabled": wanted.manage_connections.enable},
        "search": {"enable": True},
        "execute": {"enable_multi_execute": True},
        "preload": {"tools": []},
        "instant": {"return_instant_charge": False, "return_prices_in_search": False},
    }
