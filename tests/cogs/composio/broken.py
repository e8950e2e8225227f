"""Everything that can come back in place of an answer, and as which error of ours it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.faults import Alter, Cut, Fault, Hang, Html, Raw, Refuse, Reset
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ComposioUnavailableError,
    Trouble,
)
from cogs.integrations.mirror.links import alias_of
from cogs.integrations.mirror.probes import Endpoint
from tests.cogs.conftest import KEY, USER

# Whatever a body can quote is in these.
LEAK = f"{SECRET} {KEY}"

Kind = type[ComposioError] | Trouble
Call = Callable[[ComposioGateway], Awaitable[object]]
Write = Callable[[ComposioGateway, str], Awaitable[object]]
ENDPOINT = Endpoint("https://api.github.com/user")
ALIAS = alias_of("0123456789abcdef" * 2)


def kind_of(error: ComposioError) -> Kind:
    return error.trouble if isinstance(error, ComposioUnavailableError) else type(error)


def body_with(**fields: object) -> Alter:
    return Alter(lambda body: body.update(fields))


def item_with(**fields: object) -> Alter:
    return Alter(lambda body: body["items"][0].update(fields))


FAILURES: dict[str, tuple[Fault, Kind]] = {
    "400": (Refuse(400, LEAK), Trouble.SERVER),
    "401": (Refuse(401, LEAK), ComposioRefusedError),
    "403": (Refuse(403, LEAK), ComposioRefusedError),
    "404": (Refuse(404, LEAK), Trouble.SERVER),
    "422": (Refuse(422, LEAK), Trouble.SERVER),
    "429": (Refuse(429, LEAK), ComposioBusyError),
    "429 flat": (Refuse(429, LEAK, flat=True), ComposioBusyError),
    "500": (Refuse(500, LEAK), Trouble.SERVER),
    "500 that nests deeply": (Raw(b"[" * 100_000, 500), Trouble.UNREADABLE),
    "502 page": (Html(502, f"<p>{LEAK}</p>"), Trouble.SERVER),
    "302 to nowhere": (Raw(LEAK.encode(), 302), Trouble.SERVER),
    "200 page": (Html(200, f"<p>{LEAK}</p>"), Trouble.UNREADABLE),
    "200 empty": (Raw(b""), Trouble.UNREADABLE),
    "200 null": (Raw(b"null"), Trouble.UNREADABLE),
    "200 list": (Raw(b"[]"), Trouble.UNREADABLE),
    "200 text": (Raw(f'"{LEAK}"'.encode()), Trouble.UNREADABLE),
    "200 not UTF-8": (Raw(b'{"items": "\xff\xfe"}'), Trouble.UNREADABLE),
    "200 that nests deeply": (Raw(b"[" * 100_000), Trouble.UNREADABLE),
    "no items": (Alter(lambda body: body.pop("items")), Trouble.UNREADABLE),
    "items a text": (body_with(items=LEAK), Trouble.UNREADABLE),
    "items of texts": (body_with(items=[LEAK]), Trouble.UNREADABLE),
    "cursor a number": (body_with(next_cursor=1), Trouble.UNREADABLE),
    "id a number": (item_with(id=1), Trouble.UNREADABLE),
    "toolkit a text": (item_with(toolkit=LEAK), Trouble.UNREADABLE),
    "status null": (item_with(status=None), Trouble.UNREADABLE),
    "created_at rubbish": (item_with(created_at=LEAK), Trouble.UNREADABLE),
    "is_disabled a text": (item_with(is_disabled=LEAK), Trouble.UNREADABLE),
    "alias an object": (item_with(alias={SECRET: KEY}), Trouble.UNREADABLE),
    "cut in the middle": (Cut(after=60), Trouble.NETWORK),
    "cut before the body": (Cut(after=0), Trouble.NETWORK),
    "reset": (Reset(), Trouble.NETWORK),
    "hang": (Hang(), Trouble.TIMEOUT),
}
each_failure = pytest.mark.parametrize(
    ("fault", "kind"), [pytest.param(*case, id=name) for name, case in FAILURES.items()]
)
each_write = pytest.mark.parametrize("write", [ComposioGateway.revoke, ComposioGateway.delete])
CALLS: dict[str, Call] = {
    "accounts": lambda gateway: gateway.accounts(USER),
    "accounts_of": lambda gateway: gateway.accounts_of([USER], gateway.deadlines.accounts),
    "account": lambda gateway: gateway.account("ca_1"),
    "check": lambda gateway: gateway.check(),
    "revoke": lambda gateway: gateway.revoke("ca_1"),
    "delete": lambda gateway: gateway.delete("ca_1"),
    "auth_config": lambda gateway: gateway.auth_config("gmail"),
    "make_auth_config": lambda gateway: gateway.make_auth_config("gmail"),
    "link": lambda gateway: gateway.link("ac_1", USER, ALIAS),
    "made": lambda gateway: gateway.made(USER, ALIAS),
    "current_user_endpoint": lambda gateway: gateway.current_user_endpoint("github"),
    "probe": lambda gateway: gateway.probe("ca_1", ENDPOINT),
}
each_call = pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS.items()])
