"""What Discord does and SimCord does not: enforced nonces, and answers that are lost on their way."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from discord.http import Route
from simcord.http.client import FakeHTTPClient

_MESSAGES = "/channels/{channel_id}/messages"


class Edge:
    """Between the bot and Discord. It stays when the bot is started anew.

    Of the next ``lost`` messages that are sent the answers get lost, and of the next ``swallowed`` the messages.
    ``nonces`` are what Discord remembers of each for some minutes; without ``remembers`` they are always over.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost = self.swallowed = 0
        self.remembers = True
        self.nonces: dict[str, Any] = {}
        self._request = FakeHTTPClient.request
        edge = self

        async def request(client: FakeHTTPClient, route: Route, **options: Any) -> Any:
            return await edge.pass_on(client, route, **options)

        monkeypatch.setattr(FakeHTTPClient, "request", request)

    async def pass_on(self, client: FakeHTTPClient, route: Route, **options: Any) -> Any:
        if (route.method, route.path) != ("POST", _MESSAGES):
            return await self._request(client, route, **options)
        if self.swallowed:
            self.swallowed -= 1
            raise aiohttp.ServerDisconnectedError
        body = options["json"]
        assert body["enforce_nonce"] is True
        if not self.remembers or body["nonce"] not in self.nonces:
            self.nonces[body["nonce"]] = await self._request(client, route, **options)
        if self.lost:
            self.lost -= 1
            raise aiohttp.ServerDisconnectedError
        return self.nonces[body["nonce"]]
