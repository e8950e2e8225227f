"""A local stand-in for Composio's API: a real HTTP server on loopback and the small world behind it.

It answers the calls that this project makes, in the bodies that Composio's client accepts, and it fails on
request: see `Fault` and `StandIn.fail`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bot.sandbox.dashboard import Dashboard

API = "/api/v3.1"
SECRET = "token-that-must-not-leak"  # noqa: S105 - it is here to be looked for
STATUSES = frozenset(("INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED"))
BY_USER = "Connection status updated by user"
BY_REVOKE = "Revoked via user-initiated revoke endpoint"

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ADJECTIVES = ("red", "calm", "brave", "quiet", "amber", "swift", "mossy", "clear")
_NOUNS = ("castle", "river", "falcon", "garden", "harbor", "maple", "comet", "meadow")

Body = dict[str, Any]
Hook = Callable[["StandIn"], object]


@dataclass(kw_only=True)
class Account:
    """A connected account as Composio keeps it. Times are aware UTC."""

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


@dataclass(frozen=True)
class Request:
    """An API request as it arrived; `path` is whole, such as `/api/v3.1/connected_accounts`."""

    method: str
    path: str
    query: Mapping[str, str]


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


class StandIn:
    """The world, and the server that shows it at `base_url`.

    Tests may change `accounts` freely, also while the server runs. `requests` holds every API request that
    came in, refused ones too. Toolkits in `unrevocable` answer 400 to a revoke.
    """

    def __init__(
        self,
        *,
        api_key: str = "ak_sandbox",
        user_id: str = "peterbot-user",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_page: int = 100,
    ) -> None:
        self.api_key = api_key
        self.user_id = user_id
        self.max_page = max_page
        self.accounts: dict[str, Account] = {}
        self.requests: list[Request] = []
        self.unrevocable: set[str] = set()
        self.closing = asyncio.Event()
        self._clock = clock
        self._connected = 0
        self._rules: list[_Rule] = []
        self._runner: web.AppRunner | None = None
        self._port: int | None = None

    @property
    def base_url(self) -> str:
        """Where a client finds the API. Raises `RuntimeError` before the first `start`."""
        if self._port is None:
            raise RuntimeError("The stand-in has not been started")
        return f"http://127.0.0.1:{self._port}"

    @property
    def dashboard_url(self) -> str:
        """Where a person finds the page that stands in for Composio's dashboard."""
        return f"{self.base_url}/accounts"

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one. Raises `OSError` when the port is taken."""
        self.closing = asyncio.Event()
        app = web.Application()
        app.add_routes(Dashboard(self).routes())
        app.router.add_route("*", "/api/{tail:.*}", self._handle)
        app.router.add_route("*", "/{tail:.*}", _nothing_here)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and break off whatever still hangs. Closing twice is fine."""
        self.closing.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def connect(
        self,
        toolkit: str,
        *,
        user_id: str | None = None,
        age: timedelta = timedelta(0),
        **fields: Any,
    ) -> Account:
        """Add an account made `age` ago; `fields` are those of `Account`. Ids are the same in every run."""
        self._connected += 1
        made = self._clock() - age
        name = _draw(f"{toolkit} {self._connected}")
        facts: Body = {
            "id": f"ca_{name}",
            "toolkit": toolkit,
            "user_id": user_id or self.user_id,
            "created_at": made,
            "updated_at": made,
            "word_id": f"{toolkit}_{_word(name)}",
        }
        account = Account(**(facts | fields))
        self.accounts[account.id] = account
        return account

    def change(self, account_id: str, **fields: object) -> None:
        """Change fields of an account and touch `updated_at`. Raises `KeyError` when there is none."""
        account = self.accounts[account_id]
        for name, value in (fields | {"updated_at": self._clock()}).items():
            setattr(account, name, value)

    def expire(self, account_id: str, reason: str = "Permanent auth error during token refresh") -> None:
        self.change(account_id, status="EXPIRED", status_reason=reason)

    def disable(self, account_id: str) -> None:
        self.change(account_id, status="INACTIVE", status_reason=BY_USER, is_disabled=True)

    def enable(self, account_id: str) -> None:
        self.change(account_id, status="ACTIVE", status_reason=BY_USER, is_disabled=False)

    def remove(self, account_id: str) -> None:
        del self.accounts[account_id]

    def fail(
        self, fault: Fault, *, method: str = "GET", path: str = "*", skip: int = 0, times: int | None = 1
    ) -> None:
        """Answer matching API requests with `fault`; the first one registered goes first.

        `method` and `path` are patterns (fnmatch) for the whole of each, such as `*/revoke`. `skip` requests
        are let through before it starts; then it happens `times` times, or for ever when that is None. A
        request that an earlier fault took does not count.
        """
        self._rules.append(_Rule(fault, method, path, skip, times))

    def clear_faults(self) -> None:
        self._rules.clear()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        sent = Request(http.method, http.path, dict(http.query))
        self.requests.append(sent)
        call = Call(self, http, sent, await http.read())
        fault = next((rule.fault for rule in self._rules if rule.takes(sent)), Fault())
        return await fault.play(call)


class Fault:
    """What happens to an API request. This one lets it be answered as usual."""

    async def play(self, call: Call) -> web.StreamResponse:
        return call.reply.response()


@dataclass(frozen=True)
class Refuse(Fault):
    """An error in Composio's shape, without any effect; `flat` is the bare `{"message": …}` of some 429s."""

    status: int
    message: str = "The stand-in was told to refuse this"
    headers: Mapping[str, str] = field(default_factory=dict)
    flat: bool = False

    async def play(self, call: Call) -> web.StreamResponse:
        shaped = _error(self.status, "StandIn_ToldTo", self.message)
        body = {"message": self.message} if self.flat else shaped.body
        return Reply(self.status, body, self.headers).response()


@dataclass(frozen=True)
class Raw(Fault):
    """These bytes in place of the answer, without any effect."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"

    async def play(self, call: Call) -> web.StreamResponse:
        return web.Response(body=self.body, status=self.status, content_type=self.content_type)


class Html(Raw):
    """A gateway's page in place of the answer, without any effect."""

    def __init__(self, status: int = 502, page: str = "<html><h1>Bad gateway</h1></html>") -> None:
        super().__init__(page.encode(), status, "text/html")


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset before anything happens."""

    async def play(self, call: Call) -> web.StreamResponse:
        return call.reset()


@dataclass(frozen=True)
class Hang(Fault):
    """No answer and no effect, until the server closes or the client goes away."""

    async def play(self, call: Call) -> web.StreamResponse:
        await call.world.closing.wait()
        return call.reset()


@dataclass(frozen=True)
class Cut(Fault):
    """The true answer with its effect, but the connection ends after this many bytes of the body."""

    after: int

    async def play(self, call: Call) -> web.StreamResponse:
        return call.cut(self.after)


@dataclass(frozen=True)
class Before(Fault):
    """Runs `hook` with the stand-in just before the request is answered as usual."""

    hook: Hook

    async def play(self, call: Call) -> web.StreamResponse:
        self.hook(call.world)
        return await super().play(call)


@dataclass(frozen=True)
class Lost(Fault):
    """The request takes effect, then `hook` runs, but the answer is lost: `then` happens in its place."""

    then: Fault = field(default_factory=Reset)
    hook: Hook | None = None

    async def play(self, call: Call) -> web.StreamResponse:
        call.take_effect()
        if self.hook is not None:
            self.hook(call.world)
        return await self.then.play(call)


@dataclass(frozen=True)
class Alter(Fault):
    """The true answer with its effect, after `change` had its way with the body."""

    change: Callable[[Body], object]

    async def play(self, call: Call) -> web.StreamResponse:
        self.change(call.reply.body)
        return await super().play(call)


class LoopingCursor(Alter):
    """A page whose `next_cursor` leads back to the first page, for ever."""

    def __init__(self) -> None:
        super().__init__(lambda body: body.update(next_cursor=_cursor(0)))


class Call:
    """One API request on its way to an answer."""

    def __init__(self, world: StandIn, http: web.Request, sent: Request, content: bytes) -> None:
        self.world = world
        self._http = http
        self._sent = sent
        self._content = content

    @cached_property
    def reply(self) -> Reply:
        """The answer as it should be. The effect happens with the first look at it, and only then."""
        if self._http.headers.get("x-api-key") != self.world.api_key:
            return _error(401, "Auth_InvalidApiKey", "Invalid API key")
        try:
            return _answer(self.world, self._sent, self._content)
        except _RefusalError as refusal:
            return _error(*refusal.args)

    def take_effect(self) -> None:
        _ = self.reply

    def reset(self) -> web.Response:
        """Drop the connection so that the client sees a reset; the response returned goes nowhere."""
        transport = self._http.transport
        if transport is not None and not transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        return web.Response()

    def cut(self, after: int) -> web.Response:
        """Promise the whole reply, send `after` bytes of its body and hang up."""
        content = self.reply.text.encode()
        head = f"HTTP/1.1 {self.reply.status} Cut\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\n\r\n"
        transport = self._http.transport
        if transport is not None:
            transport.write(head.encode() + content[:after])
            transport.close()
        return web.Response()


@dataclass
class _Rule:
    fault: Fault
    method: str
    path: str
    skip: int
    times: int | None

    def takes(self, sent: Request) -> bool:
        """Whether the fault happens to this request; counts it down if so."""
        if not (fnmatchcase(sent.method, self.method) and fnmatchcase(sent.path, self.path)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return self.times is None or self.times >= 0


class _RefusalError(Exception):
    """Status, slug and message of an answer in Composio's error shape."""


def _error(status: int, slug: str, message: str) -> Reply:
    details = {"message": message, "code": status, "slug": slug, "status": status}
    extras = {"request_id": "req_standin", "suggested_fix": "Look at what the stand-in was told"}
    return Reply(status, {"error": details | extras})


async def _nothing_here(_: web.Request) -> web.Response:
    return _error(404, "Route_NotFound", "There is nothing here").response()


def _answer(world: StandIn, sent: Request, content: bytes) -> Reply:
    match sent.method, sent.path.removeprefix(f"{API}/connected_accounts").split("/"):
        case "GET", [""]:
            return Reply(200, _page(world, sent.query))
        case "GET", ["", account_id]:
            return Reply(200, _item(_find(world, account_id)) | {"params": {"access_token": SECRET}})
        case "DELETE", ["", account_id]:
            world.remove(_find(world, account_id).id)
            return Reply(200, {"success": True})
        case "POST", ["", account_id, "revoke"]:
            return Reply(200, _revoke(world, _find(world, account_id)))
        case "PATCH", ["", account_id, "status"]:
            return Reply(200, _set_enabled(world, _find(world, account_id), content))
    raise _RefusalError(404, "Route_NotFound", "There is nothing here")


def _find(world: StandIn, account_id: str) -> Account:
    account = world.accounts.get(account_id)
    if account is None:
        raise _RefusalError(404, "ConnectedAccount_ResourceNotFound", "Connected account not found")
    return account


def _revoke(world: StandIn, account: Account) -> Body:
    if account.toolkit in world.unrevocable:
        raise _RefusalError(400, "ConnectedAccount_RevokeNotSupported", "This toolkit cannot revoke")
    if account.status not in {"ACTIVE", "REVOKED"}:
        raise _RefusalError(409, "ConnectedAccount_NotActive", "Only an active account can be revoked")
    tokens = ["access_token", "refresh_token"] if account.status == "ACTIVE" else []
    if tokens:
        world.change(account.id, status="REVOKED", status_reason=BY_REVOKE)
    return {"revoked_tokens": tokens, "connected_account": {"id": account.id, "status": account.status}}


def _set_enabled(world: StandIn, account: Account, content: bytes) -> Body:
    try:
        asked = json.loads(content)
    except ValueError:
        asked = None
    match asked:
        case {"enabled": bool(enabled)}:
            pass
        case _:
            raise _RefusalError(400, "Request_Invalid", "enabled must be true or false")
    if account.status not in {"ACTIVE", "INACTIVE"}:
        raise _RefusalError(409, "ConnectedAccount_InvalidTransition", "Not a legal transition")
    (world.enable if enabled else world.disable)(account.id)
    return {"success": True}


def _page(world: StandIn, query: Mapping[str, str]) -> Body:
    rows = _rows(world.accounts.values(), query)
    limit = min(_limit(query.get("limit", "20")), world.max_page)
    start = _offset(query["cursor"]) if query.get("cursor") else 0
    end = start + limit
    return {
        "items": [_item(account) for account in rows[start:end]],
        "next_cursor": _cursor(end) if end < len(rows) else None,
        "total_pages": -(-len(rows) // limit),
        "current_page": start // limit + 1,
        "total_items": len(rows),
    }


_FILTERS = (
    ("user_id", "user_ids"),
    ("toolkit", "toolkit_slugs"),
    ("status", "statuses"),
    ("id", "connected_account_ids"),
)


def _rows(accounts: Iterable[Account], query: Mapping[str, str]) -> list[Account]:
    """What a list call asks for, in its order; of two equally old accounts the one added later is newer."""
    kind = _one_of(query, "account_type", "PRIVATE", "SHARED", "ALL")
    key = _one_of(query, "order_by", "created_at", "updated_at")
    newest_first = _one_of(query, "order_direction", "desc", "asc") == "desc"
    wanted = {name: set(query[param].split(",")) for name, param in _FILTERS if query.get(param)}
    if wanted.get("status", set()) - STATUSES:
        raise _RefusalError(400, "Request_Invalid", "statuses holds an unknown status")
    rows = [
        account
        for account in accounts
        if kind in {account.account_type, "ALL"}
        and all(getattr(account, name) in values for name, values in wanted.items())
    ]
    rows.sort(key=lambda account: getattr(account, key))
    return rows[::-1] if newest_first else rows


def _one_of(query: Mapping[str, str], name: str, default: str, *others: str) -> str:
    value = query.get(name, default)
    if value not in {default, *others}:
        raise _RefusalError(400, "Request_Invalid", f"{name} must be one of {', '.join((default, *others))}")
    return value


def _limit(text: str) -> int:
    try:
        limit = int(float(text))
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise _RefusalError(400, "Request_Invalid", "limit must be a positive number")
    return limit


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _offset(cursor: str) -> int:
    try:
        offset = int(base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii"))
    except ValueError:
        offset = -1
    if offset < 0:
        raise _RefusalError(400, "Request_Invalid", "Invalid cursor")
    return offset


def _item(account: Account) -> Body:
    auth = {"id": f"ac_{_draw(account.toolkit)}", "auth_scheme": "OAUTH2", "is_composio_managed": True}
    return {
        "toolkit": {"slug": account.toolkit},
        "auth_config": auth | {"is_disabled": False},
        "id": account.id,
        "authScheme": "OAUTH2",
        "word_id": account.word_id,
        "alias": account.alias,
        "user_id": account.user_id,
        "status": account.status,
        "experimental": {"account_type": account.account_type},
        "created_at": _stamp(account.created_at),
        "updated_at": _stamp(account.updated_at),
        "state": {"authScheme": "OAUTH2", "val": {"status": account.status} | _state(account)},
        "data": {"status": account.status, "access_token": SECRET},
        "status_reason": account.status_reason,
        "is_disabled": account.is_disabled,
    }


def _state(account: Account) -> Body:
    match account.status:
        case "INITIALIZING":
            return {"code_verifier": SECRET}
        case "INITIATED":
            return {"redirectUrl": "https://example.org/link", "code_verifier": SECRET}
        case "FAILED":
            return {"error": "access_denied"}
        case "EXPIRED":
            return {"expired_at": _stamp(account.updated_at)}
        case "REVOKED":
            return {"revoked_at": _stamp(account.updated_at)}
        case _:
            tokens = {"access_token": SECRET, "refresh_token": SECRET, "token_type": "Bearer"}
            return tokens | {"expires_in": 3599, "scope": "all", "displayName": "Jane"}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _draw(seed: str) -> str:
    """Twelve letters and digits that depend on nothing but the seed."""
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:12])


def _word(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return f"{_ADJECTIVES[digest[0] % len(_ADJECTIVES)]}-{_NOUNS[digest[1] % len(_NOUNS)]}"
