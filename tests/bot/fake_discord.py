"""As much of Discord's API, on a real HTTP server on loopback, as a login needs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

TOKEN = "token-that-must-not-leak"


class Discord:
    """As much of Discord's API as a login needs; `token` is the one that it accepts."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.registered: list[str] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/users/@me", self._me),
                web.get("/oauth2/applications/@me", self._application),
                web.get("/applications/{tail:.*}/commands", self._commands),
                web.put("/applications/{tail:.*}/commands", self._register),
            ]
        )
        return app

    @staticmethod
    def _answer(body: object, status: int = 200) -> web.Response:
        # With a charset, which aiohttp adds to its own JSON, discord.py takes it for text.
        return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")

    async def _me(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bot {self.token}":
            return self._answer({"message": "401: Unauthorized", "code": 0}, status=401)
        return self._answer({"id": "7", "username": "Peterbot", "discriminator": "0001", "avatar": None})

    async def _application(self, _: web.Request) -> web.Response:
        facts = {"id": "7", "name": "Peterbot", "icon": None, "description": "", "verify_key": "", "flags": 0}
        owner = {"id": "8", "username": "ada", "discriminator": "0", "avatar": None}
        return self._answer(facts | {"bot_public": False, "bot_require_code_grant": False, "owner": owner})

    async def _commands(self, _: web.Request) -> web.Response:
        return self._answer([])

    async def _register(self, request: web.Request) -> web.Response:
        self.registered.append(request.path)
        facts = {"id": "9", "application_id": "7"}
        return self._answer([command | facts for command in await request.json()])


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
