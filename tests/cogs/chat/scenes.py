"""Each thing that people can be shown, through the flow that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import cast

import discord

from cogs.integrations.chat import card, connect, history, howto, overview, refusal, report, revocation, verify
from cogs.integrations.chat.answer import Answer, Interaction
from cogs.integrations.chat.buttons import ActionButton
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import Catalog, Provider
from cogs.integrations.mirror.connecting import Ended
from cogs.integrations.mirror.connecting import Outcome as HowItEnded
from cogs.integrations.mirror.errors import ProbeForbiddenError
from cogs.integrations.mirror.findings import CheckReport, Finding, Why
from cogs.integrations.mirror.links import Link
from cogs.integrations.mirror.plan import REFUSED, Plan
from cogs.integrations.mirror.results import RevokeReceipt, SyncReport
from cogs.integrations.mirror.revoke import AccountReceipt, Outcome
from storage.integrations import Condition, Event, Integration, Mirror, Proof, State, Verdict
from tests.cogs.chat.stage import (
    ADMIN,
    DASHBOARD,
    NOON,
    USER,
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
    catalog: Catalog,
    stored: Mirror,
    name: str,
    permissions: discord.Permissions = ADMIN,
    *,
    toggled: bool = False,
    proof: Proof | None = None,
) -> Answer:
    reply, context = Kept(permissions), context_over(Behind(stored, proof_=proof), catalog)
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


async def verified(catalog: Catalog, findings: Sequence[Finding], *, one: bool = False) -> Answer:
    """What a check of all is answered with, or of the *one* that was named."""
    behind = Behind(mirror(), checked=CheckReport(tuple(findings), len(findings), NOON))
    reply = Kept()
    await verify.command(context_over(behind, catalog), reply, findings[0].provider.id if one else None)
    return reply.answer


async def unproved(catalog: Catalog, finding: Finding, permissions: discord.Permissions = ADMIN) -> Answer:
    """What a person is told whose command needs proof, when a check has found this."""
    person = Person(permissions)
    behind = Behind(mirror(replace(WORKS, provider=finding.provider.id)), checked=CheckReport((finding,), 1, NOON))
    context = context_over(behind, catalog)
    name = finding.provider.id
    assert not await refusal.require(context, cast("Interaction", person), name, timedelta(hours=1))
    [answer] = person.told
    return answer


def all_findings(app: Provider, row: Integration, whom: str | None) -> list[Finding]:
    """Whatever a check can find of an app, as whomever."""
    refused = replace(row, state=State.NEEDS_RECONNECT, status=REFUSED)
    return [
        Finding(app, row, Verdict.WORKS, whom),
        Finding(app, row, Verdict.ACCEPTED),
        Finding(app, row, Verdict.REFUSED),
        Finding(app, refused, Verdict.REFUSED),
        *(Finding(app, row, why=why, status=404) for why in Why),
        Finding(app, row, error=ProbeForbiddenError()),
    ]


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
    for finding in all_findings(catalog.providers[0], row, text):
        yield await verified(catalog, [finding], one=True)
        yield await verified(catalog, [finding, finding])
        if finding.verdict is not Verdict.WORKS:
            yield await unproved(catalog, finding)
    for verdict_ in Verdict:
        proof = Proof(USER, "jira", "ca_1", NOON, NOON, verdict_, text)
        yield await carded(catalog, stored, "jira", proof=proof)
    for how in HowItEnded:
        yield await offered(catalog, stored, "jira", ended=Ended(how, row, (account(name=text),)))
    if row.condition is not Condition.CONNECTED:
        yield await refused(catalog, stored, "jira")
    for name in (None, "jira"):
        yield await told(catalog, [event("jira", status=row.status, reason=text)], name)
    yield reported(catalog, Plan(added=("jira",), attention=(row,), unknown_toolkits=(text,)), ("jira",))
