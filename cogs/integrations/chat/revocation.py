"""Revoking: what is asked before, and the receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import discord

from storage.integrations import EventOutcome

from ..mirror.accounts import Account
from ..mirror.catalog import Provider
from ..mirror.errors import ComposioError, Right, StorageUnavailableError
from ..mirror.results import RevokeReceipt
from ..mirror.revoke import AccountReceipt, Outcome
from .answer import Answer, Place, Reply
from .buttons import dashboard, row_of
from .context import Context
from .limits import DESCRIPTION, GREEN, ORANGE, RED, limited
from .presses import Press
from .progress import follow
from .questions import Question
from .rights import actor, require
from .text import clean, count, day, shorten, size
from .troubles import for_error

_STOPPED = (
    "The bot was stopped in the middle of this. When it is back it looks what became of each account, and "
    "`/integrations history` tells."
)


async def ask(context: Context, reply: Reply, name: str) -> None:
    """Look at Composio which accounts there are now, and ask whether to revoke them."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.ADMINISTRATOR)
    provider = context.catalog.find(name)
    await reply.wait()
    accounts = await context.revoker.accounts(user_id, provider)
    if not accounts:
        await _nothing(context, reply, user_id, provider)
        return

    question = Question(
        command="revoke",
        embed=_question(provider, accounts, user_id),
        label=f"Revoke {count(len(accounts), 'account')}",
        otherwise="Nothing was revoked.",
        confirmed=lambda press: _revoke(context, press, provider, accounts),
    )
    await context.questions.ask(reply, question)


async def _nothing(context: Context, reply: Reply, user_id: str, provider: Provider) -> None:
    # The mirror may still say that it is connected; that it is not is something that was seen, not done.
    with suppress(ComposioError, StorageUnavailableError):
        await context.service.sync(user_id, actor(reply.interaction))
    text = f"Composio has no {clean(provider.label)} account for this bot. There is nothing to revoke."
    await reply.show(Answer(text=text, view=row_of(dashboard(context.dashboard_url))))


async def _revoke(context: Context, reply: Reply, provider: Provider, accounts: Sequence[Account]) -> None:
    user_id = context.user_id(reply.interaction)
    require(reply.interaction, Right.ADMINISTRATOR)
    await reply.progress("Revoking…")
    run = context.revoker.start_revoke(user_id, provider, accounts, actor(reply.interaction))
    try:
        await follow(run, reply.progress, lambda done, of: f"Revoking… {done} of {of}")
        receipt = await run.report()
    except StorageUnavailableError as error:  # it could not be written down before
        await reply.add(Answer(text=f"{for_error(error)} Nothing was revoked."))
        return
    except asyncio.CancelledError:
        await reply.add(Answer(text=_STOPPED if run.total else "The bot was stopped. Nothing was revoked."))
        raise
    # Not `show`: the message may have been dismissed meanwhile.
    embed = _receipt(provider, receipt, context.dashboard_url)
    await reply.add(Answer(embed, row_of(dashboard(context.dashboard_url))))


def _question(provider: Provider, accounts: Sequence[Account], user_id: str) -> discord.Embed:
    these = "this account" if len(accounts) == 1 else f"these {len(accounts)} accounts"
    label = clean(provider.label)
    text = (
        f"This takes away {these} at Composio, and the access at {label}, for everything that "
        f"uses the user ID `{user_id}`. It cannot be undone; the app would have to be connected again."
    )
    lines = limited([_account(account) for account in accounts], DESCRIPTION - size(text) - 2)
    return discord.Embed(title=f"Revoke {label}?", description=f"{text}\n\n{lines}", colour=RED)


def _account(account: Account) -> str:
    state = "active" if account.usable else clean(account.status.lower())
    return f"**{clean(shorten(account.name, 40))}** · {state} · added {day(account.created_at)}"


# ---------------------------------------------------------------- the receipt


def _receipt(provider: Provider, receipt: RevokeReceipt, dashboard_url: str) -> discord.Embed:
    notes = []
    if not receipt.complete:
        notes.append("Revoke again to finish the job.")
    if receipt.unconfirmed:
        appeared = count(len(receipt.unconfirmed), "account")
        notes.append(f"{appeared} appeared after you were asked and stayed.")
    if receipt.row is None:
        notes.append("The database could not be written. The list and the history follow as soon as it can.")
    tail = "\n\n" + "\n".join(notes) if notes else ""
    lines = [_line(entry, provider.label, dashboard_url) for entry in receipt.accounts]
    return discord.Embed(
        title=_title(clean(provider.label), receipt),
        description=limited(lines, DESCRIPTION - size(tail)) + tail,
        colour=GREEN if receipt.complete and receipt.row is not None else ORANGE,
    )


def _title(label: str, receipt: RevokeReceipt) -> str:
    match receipt.outcome:
        case EventOutcome.DONE:
            return f"{label} revoked"
        case EventOutcome.UNKNOWN:
            return f"{label}: not known whether it is revoked"
        case EventOutcome.PARTLY:
            return f"{label}: only partly revoked"
        case _:
            return f"{label}: not revoked"


def _line(entry: AccountReceipt, label: str, dashboard_url: str) -> str:
    name = clean(shorten(entry.account.name, 40))
    return f"{_sign(entry.outcome)} **{name}** · {_outcome(entry, clean(label), dashboard_url)}"


def _sign(outcome: Outcome) -> str:
    match outcome:
        case Outcome.REVOKED | Outcome.ALREADY_GONE:
            return "✅"
        case Outcome.NOT_REVOCABLE | Outcome.NOT_ACTIVE:
            return "☑️"
        case Outcome.NOT_TRIED:
            return "⏸️"
        case Outcome.STILL_CONNECTED | Outcome.REVOKED_NOT_DELETED | Outcome.NOT_DELETED | Outcome.UNCLEAR:
            return "❌"


def _outcome(entry: AccountReceipt, label: str, dashboard_url: str) -> str:
    why = f" {for_error(entry.error)}" if entry.error else ""
    match entry.outcome:
        case Outcome.REVOKED:
            return "revoked and deleted"
        case Outcome.NOT_REVOCABLE:
            return (
                f"deleted, but {label} access cannot be revoked from here: remove it in {label}'s own "
                f"settings ([see Composio]({dashboard_url}))"
            )
        case Outcome.NOT_ACTIVE:
            return "deleted; it was not active, so there was no access to revoke"
        case Outcome.ALREADY_GONE:
            return "was already gone"
        case Outcome.STILL_CONNECTED:
            return f"failed, still at Composio.{why}"
        case Outcome.REVOKED_NOT_DELETED:
            return f"access revoked, but its record is still at Composio.{why}"
        case Outcome.NOT_DELETED:
            return f"could not be deleted, still at Composio.{why}"
        case Outcome.UNCLEAR:
            return f"not known: it may or may not be revoked.{why}"
        case Outcome.NOT_TRIED:
            return "not tried"


PRESSES: Mapping[str, Press] = {"revoke": Press(ask, Place.PRIVATE)}
