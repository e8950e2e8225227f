"""What the stand-in is made of: an account as Composio keeps it, a request, an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

Body = dict[str, Any]
WORKS = 200
SECRET = "token-that-must-not-leak"  # noqa: S105 - it is here to be looked for


@dataclass(kw_only=True)
class Account:
    """A connected account as Composio keeps it. Times are aware UTC.

    ``owner`` is who is signed in at the provider, and ``token`` the status with which the provider answers to what
    is asked with its token: neither is in anything that Composio tells of the account.
    """

    id: str
    toolkit: str
    user_id: str
    status: str = "ACTIVE"
    status_reason: str | None = None
    is_disabled: bool = False
    created_at: datetime
    updated_at: datetime
    alias: str | None = None
    word_id: str | None = None
    account_type: str = "PRIVATE"
    owner: str = "ada@example.com"
    token: int = WORKS


@dataclass(kw_only=True)
class AuthConfig:
    """How accounts of a toolkit are made: one for each toolkit and project, or several."""

    id: str
    toolkit: str
    created_at: datetime
    last_updated_at: datetime
    is_composio_managed: bool = True
    status: str = "ENABLED"


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a person opens to finish the account with this id."""

    token: str
    account_id: str
    expires_at: datetime


@dataclass(frozen=True)
class Request:
    """An API request as it arrived; `path` is whole, such as `/api/v3.1/connected_accounts`.

    `origin` is where it was sent to, such as `http://127.0.0.1:8000`; `content` is its body, and `target` what
    follows the origin in its URL, percent-encoded.
    """

    method: str
    path: str
    query: Mapping[str, str]
    origin: str = ""
    content: bytes = b""
    target: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps(self.body)

    def response(self) -> web.Response:
        return web.json_response(text=self.text, status=self.status, headers=self.headers)


def stamp(moment: datetime) -> str:
    """A time as Composio writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error(status: int, slug: str, message: str, code: int | None = None) -> Reply:
    """An error in Composio's shape; the code is the status where it is not another one."""
    details = {"message": message, "code": code or status, "slug": slug, "status": status}
    extras = {"request_id": "req_standin", "suggested_fix": "Look at what the stand-in was told"}
    return Reply(status, {"error": details | extras})


class RefusalError(Exception):
    """Status, slug, message and perhaps code of an answer in Composio's error shape."""
