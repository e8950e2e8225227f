"""What can go wrong with an API request: give one of these to `StandIn.fail`."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from aiohttp import web

from bot.sandbox.api import answer, cursor
from bot.sandbox.model import Body, Reply, Request, error
from bot.sandbox.project import Project

DRIBBLE_SECONDS = 0.02

Hook = Callable[[Project], object]


class Call:
    """One API request on its way to an answer; `closing` is set when the server closes."""

    def __init__(self, project: Project, http: web.Request, sent: Request, closing: asyncio.Event) -> None:
        self.project = project
        self.closing = closing
        self._http = http
        self._sent = sent

    @cached_property
    def reply(self) -> Reply:
        """The answer as it should be. The effect happens with the first look at it, and only then."""
        return answer(self.project, self._sent, self._http.headers.get("x-api-key"))

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

    async def dribble(self, start: bytes, byte: bytes) -> web.Response:
        """Send `start`, and then that byte again and again, until the client goes away."""
        transport = self._http.transport
        if transport is not None:
            transport.write(start)
        while transport is not None and not transport.is_closing() and not self.closing.is_set():
            transport.write(byte)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), DRIBBLE_SECONDS)
        return self.reset()


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
    slug: str = "StandIn_ToldTo"

    async def play(self, call: Call) -> web.StreamResponse:
        shaped = error(self.status, self.slug, self.message)
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
        await call.closing.wait()
        return call.reset()


@dataclass(frozen=True)
class Cut(Fault):
    """The true answer with its effect, but the connection ends after this many bytes of the body."""

    after: int

    async def play(self, call: Call) -> web.StreamResponse:
        return call.cut(self.after)


@dataclass(frozen=True)
class Dribble(Fault):
    """The effect, and an answer that comes byte by byte and has no end: in its body, or already in its headers."""

    in_headers: bool = False

    async def play(self, call: Call) -> web.StreamResponse:
        call.take_effect()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if self.in_headers:
            return await call.dribble(head + b"X-Slow: ", b"-")
        return await call.dribble(head + b"Content-Length: 1000000\r\n\r\n", b" ")


@dataclass(frozen=True)
class Before(Fault):
    """Runs `hook` with the stand-in just before the request is answered as usual."""

    hook: Hook

    async def play(self, call: Call) -> web.StreamResponse:
        self.hook(call.project)
        return await super().play(call)


@dataclass(frozen=True)
class Meanwhile(Fault):
    """An answer that is old when it arrives: something else happens to its end between the two."""

    action: Callable[[], Awaitable[object]]

    async def play(self, call: Call) -> web.StreamResponse:
        call.take_effect()
        await self.action()
        return await super().play(call)


@dataclass(frozen=True)
class Lost(Fault):
    """The request takes effect, then `hook` runs, but the answer is lost: `then` happens in its place."""

    then: Fault = field(default_factory=Reset)
    hook: Hook | None = None

    async def play(self, call: Call) -> web.StreamResponse:
        call.take_effect()
        if self.hook is not None:
            self.hook(call.project)
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
        super().__init__(lambda body: body.update(next_cursor=cursor(0)))
