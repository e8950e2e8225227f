"""One subject at a time: the context with nothing behind it, a person who asks, and a reply that is kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import discord

from cogs.integrations.chat.answer import Answer, Interaction, Place, Reply
from cogs.integrations.chat.context import Context
from cogs.integrations.mirror.access import Refusal
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import DEFAULT, Catalog, Provider
from cogs.integrations.mirror.connecting import Ended as Finished
from cogs.integrations.mirror.freshness import Freshness
from cogs.integrations.mirror.links import Link
from cogs.integrations.mirror.plan import Plan
from cogs.integrations.mirror.results import Actor, RevokeReceipt, SyncReport
from cogs.integrations.mirror.tenancy import Tenancy
from storage.integrations import Action, Condition, Event, Integration, Mirror, State, Switched
from tests.conftest import GUILD_ID, USER_ID

USER = USER_ID
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DASHBOARD = "https://app.composio.dev/accounts"
GMAIL = DEFAULT.by_id["gmail"]
WORKS = Integration(
    USER, "gmail", State.CONNECTED, account_id="ca_1", account_name="work-gmail", usable_accounts=1, since=NOON
)
BROKEN = replace(WORKS, state=State.NEEDS_RECONNECT, status="EXPIRED", usable_accounts=0)

MEMBER = discord.Permissions()
MANAGER = discord.Permissions(manage_guild=True)
ADMIN = discord.Permissions(administrator=True)


def provider(id: str = "jira", label: str = "Jira", **more: Any) -> Provider:  # noqa: A002 – the field's own name
    return Provider(id=id, label=label, **{"category": "Work", "description": "Needed for tickets"} | more)


def account(number: int = 1, status: str = "ACTIVE", name: str = "work-gmail") -> Account:
    return Account(f"ca_{number}", "gmail", status, NOON, NOON, name=name)


def event(provider: str = "gmail", **more: Any) -> Event:
    happened = Event(NOON, USER, provider, Action.SYNC, Condition.CONNECTED, Condition.NEEDS_RECONNECT)
    return replace(happened, **more)


def mirror(*rows: Integration, synced_at: datetime | None = NOON) -> Mirror:
    return Mirror(USER, synced_at, 1, {row.provider: row for row in rows})


@dataclass
class Ended:
    """Stands where a run does that has ended."""

    receipt: RevokeReceipt

    async def ended(self, _seconds: float) -> bool:
        return True

    async def report(self) -> RevokeReceipt:
        return self.receipt


@dataclass
class Offered:
    """Stands where a link does that was made; `callback` is who is told what came of it."""

    link: Link
    provider: Provider = GMAIL
    callback: Callable[[Finished], Coroutine[Any, Any, None]] | None = None

    def tell(self, callback: Callable[[Finished], Coroutine[Any, Any, None]]) -> None:
        self.callback = callback

    async def end(self, ended: Finished) -> None:
        assert self.callback is not None
        await self.callback(ended)


@dataclass
class Behind:
    """Stands where the service, the revoker and the access do, and knows what it is given."""

    mirror: Mirror
    events: Sequence[Event] = ()
    report: SyncReport | None = None
    accounts_: Sequence[Account] = ()
    receipt: RevokeReceipt | None = None
    connecting: Offered | None = None

    async def start(self, *_: object) -> Offered:
        assert self.connecting is not None
        return self.connecting

    async def old_accounts(self, _user_id: str, _provider: Provider) -> Sequence[Account]:
        return self.accounts_

    def met(self, _guild_id: int | None) -> None:
        pass

    async def look(self, _user_id: str, _guild_id: int | None = None) -> Mirror:
        return self.mirror

    async def sync(self, _user_id: str, _by: Actor) -> SyncReport:
        return self.report or SyncReport(Plan(), NOON)

    async def toggle(
        self, _user_id: str, _guild_id: int, provider: Provider, enabled: bool | None, _by: Actor
    ) -> Switched:
        row = self.mirror.get(provider.id)
        on = not row.enabled if enabled is None else enabled
        return Switched(replace(row, enabled=on), row.enabled is not on, self.mirror.synced_at)

    async def history(
        self, _user_id: str, _provider: Provider | None, *, guild_id: int | None, offset: int, limit: int
    ) -> Sequence[Event]:
        assert guild_id
        return self.events[offset : offset + limit]

    async def accounts(self, _user_id: str, _provider: Provider) -> Sequence[Account]:
        return self.accounts_

    async def proof(self, _user_id: str, _provider: Provider) -> None:
        return None

    def start_revoke(self, *_: object) -> Ended:
        assert self.receipt is not None
        return Ended(self.receipt)

    def condition(self, _guild_id: int | None, provider: Provider) -> Condition:
        return self.mirror.get(provider.id).condition

    async def refusal(self, _guild_id: int | None, provider: Provider) -> Refusal | None:
        row = self.mirror.get(provider.id)
        return None if row.condition is Condition.CONNECTED else Refusal(row, self.mirror.synced_at)


def context_over(
    behind: Behind,
    catalog: Catalog = DEFAULT,
    dashboard_url: str = DASHBOARD,
    freshness: Freshness | None = None,
    *,
    connects: bool = True,
    guild_ids: frozenset[int] = frozenset({GUILD_ID}),
) -> Context:
    parts: Any = behind
    return Context(
        service=parts,
        revoker=parts,
        connector=parts if connects else None,
        prover=parts,
        access=parts,
        places=parts,
        poster=parts,
        delivery=parts,
        boards=parts,
        catalog=catalog,
        tenancy=Tenancy(USER, guild_ids),
        dashboard_url=dashboard_url,
        freshness=freshness or Freshness(0, lambda: NOON),
    )


@dataclass
class Person:
    """An interaction, as far as a subject looks at it; `told` is what was said in it."""

    permissions: discord.Permissions = field(default_factory=lambda: ADMIN)
    user: Any = field(default_factory=lambda: SimpleNamespace(id=7, display_name="ada"))
    guild_id: int | None = GUILD_ID
    guild: Any = None
    created_at: datetime = NOON
    _integration_owners: dict[int, int] = field(default_factory=dict)
    told: list[Answer] = field(default_factory=list)

    @property
    def response(self) -> Person:
        return self

    def is_done(self) -> bool:
        return bool(self.told)

    async def send_message(self, content: str | None = None, **parts: Any) -> None:
        self.told.append(Answer(parts.get("embed"), parts.get("view"), content))

    async def edit_message(self, **parts: Any) -> None:
        self.told.append(Answer(parts.get("embed"), parts.get("view"), parts.get("content")))

    edit_original_response = edit_message


class Kept(Reply):
    """Keeps what a person would have been shown."""

    def __init__(self, permissions: discord.Permissions = ADMIN) -> None:
        self.person = Person(permissions)
        super().__init__(cast("Interaction", self.person), Place.PRIVATE)

    async def wait(self) -> None:
        """Nobody waits here."""

    async def show(self, answer: Answer) -> None:
        self.person.told.append(answer)

    async def add(self, answer: Answer) -> None:
        self.person.told.append(answer)

    @property
    def answer(self) -> Answer:
        """The last one."""
        return self.person.told[-1]


def embed_of(answer: Answer) -> discord.Embed:
    assert answer.embed is not None
    return answer.embed


def buttons_of(answer: Answer) -> list[str]:
    """The labels of its buttons."""
    if answer.view is None:
        return []
    items = [item for row in answer.view.to_components() for item in row["components"]]
    return [item["label"] for item in items if item["type"] == discord.ComponentType.button.value]


def written(answer: Answer) -> str:
    """Everything in an answer that Discord renders as markdown."""
    embed = answer.embed or discord.Embed()
    parts = [answer.text, embed.title, embed.description]
    parts += [part for entry in embed.fields for part in (entry.name, entry.value)]
    return "\n".join(part for part in parts if part)
