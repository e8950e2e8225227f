"""Each thing that people can be shown, through the flow that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import cast

import discord

from cogs.integrations.chat import card, connect, history, howto, overview, refusal, report, revocation
from cogs.integrations.chat.answer import Answer, Interaction
from cogs.integrations.chat.buttons import ActionButton
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import Catalog
from cogs.integrations.mirror.connecting import Ended
from cogs.integrations.mirror.connecting import Outcome as HowItEnded
from cogs.integrations.mirror.links import Link
from cogs.integrations.mirror.plan import Plan
from cogs.integrations.mirror.results import RevokeReceipt, SyncReport
from cogs.integrations.mirror.revoke import AccountReceipt, Outcome
from storage.integrations import Condition, Event, Integration, Mirror, State
from tests.cogs.chat.stage import (
    ADMIN,
    DASHBOARD,
    NOON,
    WORKS,
    Behind,
    Kept,
    Offered,
    Person,
    account,
    context_over,
    event,
    mirror,
    provider,
)
from tests.conftest import GUILD_ID


def listed(catalog: Catalog, stored: Mirror, number: int = 1, *, notice: str | None = None) -> Answer:
    return overview.page(context_over(Behind(stored), catalog), stored, number, notice=notice)


async def carded(
    catalog: Catalog, stored: Mirror, name: str, permissions: discord.Permissions = ADMIN, *, toggled: bool = False
) -> Answer:
    reply, context = Kept(permissions), context_over(Behind(stored), catalog)
    if toggled:
        await card.toggle(context, reply, name, enabled=None)
    else:
        await card.show(context, reply, name)
    return reply.answer


async def instructed(catalog: Catalog, stored: Mirror, name: str) -> Answer:
    reply = Kept()
    await howto.show(context_over(Behind(stored), catalog), reply, name)
    return reply.answer


async def refused(catalog: Catalog, stored: Mirror, name: str, permissions: discord.Permissions = ADMIN) -> Answer:
    person = Person(permissions)
    context = context_over(Behind(stored), catalog)
    assert not await refusal.require(context, cast("Interaction", person), name)
    [answer] = person.told
    return answer


async def verdict(catalog: Catalog, stored: Mirror, name: str) -> Answer:
    """What “I've connected it” is answered with."""
    reply = Kept()
    found = SyncReport(Plan(), NOON)
    await howto.PRESSES["connected"].run(context_over(Behind(stored, report=found), catalog), reply, name)
    return reply.answer


async def told(catalog: Catalog, events: Sequence[Event], name: str | None = None, number: int = 1) -> Answer:
    reply = Kept()
    await history.show(context_over(Behind(mirror(), events), catalog), reply, name, number)
    return reply.answer


def reported(catalog: Catalog, plan: Plan, left_alone: tuple[str, ...] = ()) -> Answer:
    context = context_over(Behind(mirror()), catalog)
    return report.answer(context, SyncReport(plan, NOON, left_alone))


async def asked(catalog: Catalog, accounts: Sequence[Account], name: str) -> Answer:
    """The question before a revocation."""
    reply = Kept()
    await revocation.ask(context_over(Behind(mirror(), accounts_=accounts), catalog), reply, name)
    return reply.answer


async def revoked(catalog: Catalog, receipt: RevokeReceipt, name: str, dashboard_url: str = DASHBOARD) -> Answer:
    """The receipt, after the question was answered with yes."""
    reply = Kept()
    behind = Behind(mirror(), accounts_=[account()], receipt=receipt)
    context = context_over(behind, catalog, dashboard_url)
    await revocation.ask(context, reply, name)
    view = reply.answer.view
    assert view is not None
    confirm = next(item for item in view.children if isinstance(item, ActionButton))
    press = Kept()
    await context.questions.answered(press, confirm.argument, yes=True)
    return press.answer


LINK = Link("ca_9", "https://connect.example/link/lk_secret", NOON + timedelta(minutes=10))


async def offered(
    catalog: Catalog,
    stored: Mirror,
    name: str,
    permissions: discord.Permissions = ADMIN,
    *,
    url: str = LINK.url,
    ended: Ended | None = None,
    guild_ids: frozenset[int] = frozenset({GUILD_ID}),
) -> Answer:
    """The link, or what stands in its place once it has ended."""
    reply, behind = Kept(permissions), Behind(stored)
    behind.connecting = Offered(LINK._replace(url=url), catalog.by_id[name])
    await connect.command(context_over(behind, catalog, guild_ids=guild_ids), reply, name)
    if ended:
        await behind.connecting.end(ended)
    return reply.answer


async def asked_about_old(catalog: Catalog, accounts: Sequence[Account], name: str) -> Answer:
    """The question before old accounts are removed."""
    reply = Kept()
    await revocation.ask_about_old(context_over(Behind(mirror(), accounts_=accounts), catalog), reply, name)
    return reply.answer


async def everything(text: str) -> AsyncIterator[Answer]:
    """All of it, with *text* wherever others may write."""
    app = provider("jira", text, category=text, description=text, steps=(text,))
    catalog = Catalog((app,))
    works = replace(WORKS, provider="jira", account_name=text)
    broken = replace(works, state=State.NEEDS_RECONNECT, status="FAILED", reason=text)
    for row in (works, replace(works, enabled=False), broken, replace(broken, status=text)):
        async for answer in _about(catalog, row, text):
            yield answer
    yield await asked(catalog, [account(name=text, status=text)], "jira")
    yield await asked(catalog, [], "jira")
    yield await asked_about_old(catalog, [account(name=text, status=text)], "jira")
    yield await asked_about_old(catalog, [], "jira")
    for outcome in Outcome:
        receipt = RevokeReceipt((AccountReceipt(account(name=text), outcome),), None, (account(2),))
        yield await revoked(catalog, receipt, "jira")


async def _about(catalog: Catalog, row: Integration, text: str) -> AsyncIterator[Answer]:
    stored = mirror(row)
    yield listed(catalog, stored)
    yield await carded(catalog, stored, "jira")
    yield await carded(catalog, stored, "jira", toggled=True)
    yield await instructed(catalog, stored, "jira")
    yield await verdict(catalog, stored, "jira")
    yield await offered(catalog, stored, "jira")
    for how in HowItEnded:
        yield await offered(catalog, stored, "jira", ended=Ended(how, row, (account(name=text),)))
    if row.condition is not Condition.CONNECTED:
        yield await refused(catalog, stored, "jira")
    for name in (None, "jira"):
        yield await told(catalog, [event("jira", status=row.status, reason=text)], name)
    yield reported(catalog, Plan(added=("jira",), attention=(row,), unknown_toolkits=(text,)), ("jira",))
