"""Checking: whether an app's account really works, and whose it is. Whose is for those who manage the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import discord

from storage.integrations import Integration, Proof, State, Verdict

from ..mirror.errors import Right
from ..mirror.findings import CheckReport, Finding, Why
from ..mirror.plan import REFUSED
from .answer import Answer, Place, Reply
from .buttons import ActionButton, row_of, ways
from .context import Context, log_trouble
from .limits import DESCRIPTION, GREEN, GREY, ORANGE, limited
from .presses import Press
from .progress import follow
from .rights import actor, require
from .states import indicator, status
from .text import ago, clean, count, shorten, size
from .troubles import for_error

STOPPED = Answer(text="The bot was stopped before this was checked. Try again when it is back.")
_WHOM_LENGTH = 80
_WHY = {
    Why.NO_ENDPOINT: "this app has no way to ask whose account it is",
    Why.NOT_CONNECTED: "there is no account to try",
    Why.MOVED: "the account kept changing while it was tried",
    Why.ERRORS: "the app answered that something is wrong",
}


async def command(context: Context, reply: Reply, name: str | None = None) -> None:
    """Try one app, or all that are connected."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.MANAGE_SERVER)
    providers = None if name is None else [context.catalog.find(name)]
    context.cool_down.spend(interaction)
    await reply.wait()
    run = context.prover.start_check(user_id, providers, actor(interaction))
    try:
        if providers is None:
            await follow(run, reply.progress, lambda done, of: f"Checking… {done} of {of}")
        report = await run.report()
    except asyncio.CancelledError:
        await reply.add(STOPPED)
        raise
    for finding in report.findings:
        if finding.error:
            log_trouble(finding.error)
    if providers is None:
        await reply.show(Answer(_table(report)))
    else:
        await reply.show(_one(context, reply, report))


def _one(context: Context, reply: Reply, report: CheckReport) -> Answer:
    [finding] = report.findings
    row = finding.row
    text = line(finding) + (f"\n-# This asked the app {_times(report.probes)}." if report.probes else "")
    if row.state is State.CONNECTED:
        return Answer(text=text)
    again = row.state is State.NEEDS_RECONNECT
    return Answer(
        text=text,
        view=row_of(*ways(finding.provider, again=again, now=context.connects(reply.interaction))),
    )


def _table(report: CheckReport) -> discord.Embed:
    if not report.findings:
        return discord.Embed(title="Nothing to check", description="No app is connected here.", colour=GREY)
    tail = f"\n\nThis asked the apps {_times(report.probes)}, {ago(report.at)}." if report.probes else ""
    lines = limited([line(finding) for finding in report.findings], DESCRIPTION - size(tail))
    good = sum(finding.verdict is Verdict.WORKS for finding in report.findings)
    return discord.Embed(
        title=f"{good} of {count(len(report.findings), 'app')} proved to work",
        description=lines + tail,
        colour=GREEN if good == len(report.findings) else ORANGE,
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def line(finding: Finding) -> str:
    """What was found, in one line that is only for those who manage the server."""
    sign, label = indicator(finding.row), clean(finding.provider.label)
    return f"{sign} **{label}** · {_found(finding, label)}"


def _found(finding: Finding, label: str) -> str:
    match finding.verdict:
        case Verdict.WORKS:
            return f"Works, checked just now{_as(finding.whom)}"
        case Verdict.ACCEPTED:
            return "Accepted the access; whose it is may not be asked"
        case Verdict.REFUSED if finding.row.state is State.NEEDS_RECONNECT:
            return f"{status(finding.row)}: {label} refused the access when it was tried"
        case Verdict.REFUSED:  # another account has taken its place
            return f"{status(finding.row)} with another account now: {label} refused the one that was tried"
    if finding.why is Why.NOT_CONNECTED:
        return f"{status(finding.row)}: nothing to check"
    return f"Could not be checked: {why(finding)}"


def why(finding: Finding) -> str:
    """Why nothing was proved, as the rest of a sentence that may have ended already."""
    if finding.error:
        return for_error(finding.error).rstrip(".")
    if finding.why is Why.STATUS:
        return _status(finding.status or 0)
    return _WHY[finding.why or Why.NOT_CONNECTED]


def _status(answered: int) -> str:
    if answered == 429:
        return "the app has had too many requests; try again in a while"
    if answered >= 500:
        return "the app seems to have trouble"
    return f"the app answered in a way this bot cannot read ({answered})"


def _as(whom: str | None) -> str:
    return f" · as {clean(shorten(whom, _WHOM_LENGTH))}" if whom else ""


# ---------------------------------------------------------------- on the card


def offered(row: Integration) -> bool:
    """Whether there is something to try."""
    return row.state is State.CONNECTED or (row.state is State.NEEDS_RECONNECT and row.status == REFUSED)


def button(provider_id: str) -> ActionButton:
    """To try it now."""
    return ActionButton("check", provider_id, label="Check now")


def known(proof: Proof | None, label: str) -> str:
    """What was proved of an account, and when; only for those who manage the server."""
    match proof:
        case Proof(verdict=Verdict.WORKS):
            return f"Worked {ago(proof.at)}{_as(proof.whom)}"
        case Proof(verdict=Verdict.ACCEPTED):
            return f"Accepted the access {ago(proof.at)}; whose it is may not be asked"
        case Proof(verdict=Verdict.REFUSED):
            return f"Refused {ago(proof.at)}"
        case _:
            return f"Connected, not checked at {clean(label)} yet"


async def _pressed(context: Context, reply: Reply, name: str) -> None:
    await command(context, reply, name)


PRESSES: Mapping[str, Press] = {"check": Press(_pressed, Place.PRIVATE)}
