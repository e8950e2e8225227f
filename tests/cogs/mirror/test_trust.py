"""Whatever happens to the reads and between them, the mirror is the one before or the one after a full sync.

A state machine drives two processes' worth of services over one database file and one Composio, and compares
with a small model: which accounts there are, what was last mirrored, and where people put the switches.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.sandbox import faults
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import ComposioError, NotConnectedError
from storage.integrations import State, Store, open_engine, prepare
from tests.cogs.use_cases import UseCases
from tests.conftest import API_KEY, USER_ID

TOOLKITS = ("gmail", "googledrive", "github", "notion")
PROVIDERS = {"gmail": "gmail", "googledrive": "google_drive", "github": "github", "notion": "notion"}
NO_RETRY = {"x-should-retry": "false"}
LIST = "*/connected_accounts"

toolkits = st.sampled_from(TOOLKITS)
services = st.sampled_from((0, 1))
GUILDS = (1, 2)
guilds = st.sampled_from(GUILDS)
pages = st.integers(0, 3)
broken_reads = st.sampled_from(
    [
        faults.Refuse(429, headers={"Retry-After": "3600", **NO_RETRY}),
        faults.Refuse(429, headers=NO_RETRY, flat=True),
        faults.Refuse(500, headers=NO_RETRY),
        faults.Refuse(401),
        faults.Html(502),
        faults.Html(200),
        faults.Reset(),
        faults.Cut(0),
        faults.Cut(1),
        faults.Cut(700),
        faults.Raw(b""),
        faults.Raw(b"null"),
        faults.Raw(b'{"items": [{"id": 7}]}'),
        faults.Raw(b'{"items": {}, "next_cursor": null}'),
        faults.LoopingCursor(),
        faults.Alter(lambda body: body["items"].append({"id": "ca_x"})),
    ]
)
harmless_changes = st.sampled_from(
    [
        faults.Alter(lambda body: body["items"].extend(body["items"])),
        faults.Alter(lambda body: [item.pop("user_id") for item in body["items"]]),
        faults.Alter(lambda body: [item.update(extra={"deep": [1]}) for item in body["items"]]),
    ]
)


class Mirror(RuleBasedStateMachine):
    """The two services, Composio, and the model."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = contextlib.AsyncExitStack()
        self.moment = datetime(2026, 11, 1, tzinfo=UTC)
        self.mirrored = dict.fromkeys(PROVIDERS.values(), State.NOT_CONNECTED)
        self.switches = {(guild, provider): True for guild in GUILDS for provider in PROVIDERS.values()}
        self.run(self._open())

    async def _open(self) -> None:
        # Two accounts a page, so that a handful of them already takes several.
        self.composio = await self.stack.enter_async_context(
            StandIn(api_key=API_KEY, user_id=USER_ID, clock=self.clock, max_page=2)
        )
        self.services = [await self._service() for _ in range(2)]

    async def _service(self) -> UseCases:
        engine = open_engine(f"sqlite+aiosqlite:///{Path(self.folder.name) / 'integrations.db'}")
        self.stack.push_async_callback(engine.dispose)
        await prepare(engine)
        self.store = Store(engine)
        gateway = ComposioGateway(api_key=API_KEY, base_url=self.composio.base_url, read_retries=0)
        self.stack.push_async_callback(gateway.close)
        service = UseCases(gateway, self.store, clock=self.clock)
        self.stack.push_async_callback(service.close)
        return service

    def clock(self) -> datetime:
        self.moment += timedelta(hours=1)
        return self.moment

    def run(self, work: Awaitable[Any]) -> Any:
        async def wrapped() -> Any:
            return await work

        return self.loop.run(wrapped())

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.stack.aclose())
            self.loop.close()
            self.folder.cleanup()

    # --- what the world looks like, in the model's own words

    def truth(self) -> dict[str, State]:
        return {provider: self._truth(toolkit) for toolkit, provider in PROVIDERS.items()}

    def _truth(self, toolkit: str) -> State:
        found = {account.status for account in self.composio.accounts.values() if account.toolkit == toolkit}
        if "ACTIVE" in found:
            return State.CONNECTED
        return State.NEEDS_RECONNECT if found & {"EXPIRED", "INACTIVE"} else State.NOT_CONNECTED

    def pick(self, toolkit: str, status: str) -> list[str]:
        accounts = self.composio.accounts.values()
        return [account.id for account in accounts if (account.toolkit, account.status) == (toolkit, status)]

    # --- what happens at Composio

    @rule(toolkit=toolkits)
    def connect(self, toolkit: str) -> None:
        self.composio.connect(toolkit)

    @rule(toolkit=toolkits)
    def begin_to_connect(self, toolkit: str) -> None:
        self.composio.connect(toolkit, status="INITIATED")

    @rule()
    def connect_what_nobody_knows(self) -> None:
        self.composio.connect("slack")

    @rule(toolkit=toolkits, what=st.sampled_from(("expire", "disable", "remove")))
    def change(self, toolkit: str, what: str) -> None:
        for account_id in self.pick(toolkit, "ACTIVE")[:1]:
            getattr(self.composio, what)(account_id)

    # --- what people do here

    @rule(service=services)
    def sync(self, service: int) -> None:
        self.run(self.services[service].service.sync(USER_ID))
        self.mirrored = self.truth()

    @rule(service=services, others=st.integers(1, 3))
    def sync_several_at_once(self, service: int, others: int) -> None:
        before = len(self.composio.requests)

        async def together() -> list[Any]:
            return await asyncio.gather(*(self.services[service].service.sync(USER_ID) for _ in range(others + 1)))

        reports = self.run(together())
        assert all(report is reports[0] for report in reports)
        walked = [request for request in self.composio.requests[before:] if "cursor" not in request.query]
        assert len(walked) == 1
        self.mirrored = self.truth()

    @rule(service=services, page=pages, fault=broken_reads)
    def sync_over_a_bad_read(self, service: int, page: int, fault: faults.Fault) -> None:
        self.composio.fail(fault, path=LIST, skip=page)
        try:
            self.run(self.services[service].service.sync(USER_ID))
            self.mirrored = self.truth()  # there were fewer pages, or the fault did no harm
        except ComposioError:
            pass
        self.composio.clear_faults()

    @rule(service=services, page=pages, fault=harmless_changes)
    def sync_over_an_odd_read(self, service: int, page: int, fault: faults.Fault) -> None:
        self.composio.fail(fault, path=LIST, skip=page)
        self.sync(service)
        self.composio.clear_faults()

    @rule(service=services, page=pages, gone=toolkits, come=toolkits)
    def sync_while_the_pages_shift(self, service: int, page: int, gone: str, come: str) -> None:
        """One account goes and another comes between two pages: seen before both, or after both."""
        possible = [self.truth()]

        def shift(composio: Any) -> None:
            possible[:] = [self.truth()]
            for account_id in self.pick(gone, "ACTIVE")[:1]:
                composio.remove(account_id)
            composio.connect(come)

        self.composio.fail(faults.Before(shift), path=LIST, skip=page)
        self.run(self.services[service].service.sync(USER_ID))
        self.composio.clear_faults()
        stored = self.stored()
        assert stored in (possible[0], self.truth())
        self.mirrored = stored

    @rule(service=services, guild=guilds, toolkit=toolkits, position=st.sampled_from((True, False, None)))
    def toggle(self, service: int, guild: int, toolkit: str, position: bool | None) -> None:
        self.run(self._toggle(service, guild, toolkit, position))

    async def _toggle(self, service: int, guild: int, toolkit: str, target: bool | None) -> None:
        provider = DEFAULT.by_toolkit[toolkit]
        switch = guild, provider.id
        try:
            await self.services[service].service.toggle(USER_ID, guild, provider, target)
        except NotConnectedError:
            assert self.mirrored[provider.id] is not State.CONNECTED
            return
        assert self.mirrored[provider.id] is State.CONNECTED
        self.switches[switch] = not self.switches[switch] if target is None else target

    @rule(service=services, toolkit=toolkits)
    def revoke(self, service: int, toolkit: str) -> None:
        self.run(self._revoke(service, toolkit))

    async def _revoke(self, service: int, toolkit: str) -> None:
        provider = DEFAULT.by_toolkit[toolkit]
        accounts = await self.services[service].revoker.accounts(USER_ID, provider)
        receipt = await self.services[service].revoker.revoke(USER_ID, provider, accounts)
        assert receipt.complete
        self.mirrored[provider.id] = State.NOT_CONNECTED

    @rule(service=services, other=services, toolkit=toolkits, what=st.sampled_from(("toggle", "revoke")))
    def sync_while_somebody_acts(self, service: int, other: int, toolkit: str, what: str) -> None:
        """A revoke that ends between a sync's last read and its write is not undone by it; nor is a toggle."""
        provider = PROVIDERS[toolkit]
        self.composio.connect(toolkit)
        last_page = (len(self.composio.accounts) - 1) // 2
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "toggle": lambda: self._toggle(other, GUILDS[0], toolkit, None),
            "revoke": lambda: self._revoke(other, toolkit),
        }
        acted: list[State] = []

        async def act() -> None:
            self.composio.clear_faults()
            await acts[what]()
            acted.append(self.mirrored[provider])

        self.composio.fail(faults.Meanwhile(act), path=LIST, skip=last_page)
        self.run(self.services[service].service.sync(USER_ID))
        self.composio.clear_faults()
        after = self.truth()
        stored = self.stored()
        if what == "revoke" and acted:
            assert stored[provider] is State.NOT_CONNECTED
        else:
            assert stored[provider] is after[provider]
        assert {**stored, provider: None} == {**after, provider: None}
        self.mirrored = stored

    # --- what must hold

    def stored(self) -> dict[str, State]:
        rows = self.run(self.store.read(USER_ID))
        return {provider: rows.get(provider).state for provider in PROVIDERS.values()}

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        assert self.stored() == self.mirrored

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def every_switch_is_where_a_person_put_it(self) -> None:
        for guild in GUILDS:
            rows = self.run(self.store.read(USER_ID, guild))
            assert {name: rows.get(name).enabled for name in PROVIDERS.values()} == {
                name: on for (of, name), on in self.switches.items() if of == guild
            }


Mirror.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMirror = Mirror.TestCase
