"""A local stand-in for Composio: its API and its dashboard on a real HTTP server on loopback.

It fails on request: see `bot.sandbox.faults` and `StandIn.fail`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.sandbox.dashboard import Dashboard
from bot.sandbox.faults import Call, Fault
from bot.sandbox.link_page import LinkPage
from bot.sandbox.model import Request, error
from bot.sandbox.project import Project


@dataclass(kw_only=True, eq=False, repr=False)
class StandIn(Project):
    """A project, and the server that shows it at `base_url`.

    `requests` holds every API request that came in, refused ones too.
    """

    requests: list[Request] = field(init=False, default_factory=list)
    _closing: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _rules: list[_Rule] = field(init=False, default_factory=list)
    _runner: web.AppRunner | None = field(init=False, default=None)
    _port: int | None = field(init=False, default=None)

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
        self._closing = asyncio.Event()
        app = web.Application()
        app.add_routes([*Dashboard(self).routes(), *LinkPage(self).routes()])
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
        self._closing.set()
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
        origin = str(http.url.origin())
        sent = Request(http.method, http.path, dict(http.query), origin, await http.read(), http.raw_path)
        self.requests.append(sent)
        fault = next((rule.fault for rule in self._rules if rule.takes(sent)), Fault())
        return await fault.play(Call(self, http, sent, self._closing))


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


async def _nothing_here(_: web.Request) -> web.Response:
    return error(404, "Route_NotFound", "There is nothing here").response()
