"""Revoking: what is asked before, and the receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import discord

from storage.integrations import EventOutcome

from ..mirror.accounts import Account
from ..mirror.catalog import Provider
from ..mirror.errors import ComposioError, OldButtonError, Right, StorageUnavailableError
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
    await _ask(context, reply, user_id, Removal(provider, accounts))


async def ask_about_old(context: Context, reply: Reply, name: str) -> None:
    """Ask whether to remove the accounts that no longer work, and nothing else."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.ADMINISTRATOR)
    provider = context.catalog.find(name)
    if context.connector is None:
        raise OldButtonError
    await reply.wait()
    accounts = await context.connector.old_accounts(user_id, provider)
    if not accounts:
        text = f"Composio has no old {clean(provider.label)} account any more. There is nothing to remove."
        await reply.show(Answer(text=text))
        return
    await _ask(context, reply, user_id, Removal(provider, accounts, old=True))


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be taken away: all accounts of a provider, or the *old* ones, beside which another works."""

    provider: Provider
    accounts: Sequence[Account]
    old: bool = False

    @property
    def otherwise(self) -> str:
        """What is true as long as it is not done, as a sentence."""
        return "Nothing was removed." if self.old else "Nothing was revoked."

    @property
    def doing(self) -> str:
        """What is said while it is done."""
        return "Removing…" if self.old else "Revoking…"


async def _ask(context: Context, reply: Reply, user_id: str, removal: Removal) -> None:
    accounts = count(len(removal.accounts), "account")
    question = Question(
        command="" if removal.old else "revoke",
        embed=_question(removal, user_id),
        label=f"Remove {accounts}" if removal.old else f"Revoke {accounts}",
        otherwise=removal.otherwise,
        confirmed=lambda press: _confirmed(context, press, removal),
    )
    await context.questions.ask(reply, question)


async def _nothing(context: Context, reply: Reply, user_id: str, provider: Provider) -> None:
    # The mirror may still say that it is connected; that it is not is something that was seen, not done.
    with suppress(ComposioError, StorageUnavailableError):
        await context.service.sync(user_id, actor(reply.interaction))
    text = f"Composio has no {clean(provider.label)} account for this bot. There is nothing to revoke."
    await reply.show(Answer(text=text, view=row_of(dashboard(context.dashboard_url))))


async def _confirmed(context: Context, reply: Reply, removal: Removal) -> None:
    user_id = context.user_id(reply.interaction)
    require(reply.interaction, Right.ADMINISTRATOR)
    await reply.progress(removal.doing)
    if removal.old and context.connector:  # what works again since the question stays
        old = {account.id for account in await context.connector.old_accounts(user_id, removal.provider)}
        removal = replace(removal, accounts=[account for account in removal.accounts if account.id in old])
        if not removal.accounts:
            text = f"{removal.otherwise} What you were asked about has changed at Composio since then."
            await reply.add(Answer(text=text))
            return
    await _revoke(context, reply, user_id, removal)


async def _revoke(context: Context, reply: Reply, user_id: str, removal: Removal) -> None:
    by = actor(reply.interaction)
    run = context.revoker.start_revoke(user_id, removal.provider, removal.accounts, by)
    try:
        await follow(run, reply.progress, lambda done, of: f"{removal.doing} {done} of {of}")
        receipt = await run.report()
    except StorageUnavailableError as error:  # it could not be written down before
        await reply.add(Answer(text=f"{for_error(error)} {removal.otherwise}"))
        return
    except asyncio.CancelledError:
        await reply.add(Answer(text=_STOPPED if run.total else f"The bot was stopped. {removal.otherwise}"))
        raise
    # Not `show`: the message may have been dismissed meanwhile.
    embed = _receipt(removal, receipt, context.dashboard_url)
    await reply.add(Answer(embed, row_of(dashboard(context.dashboard_url))))


def _question(removal: Removal, user_id: str) -> discord.Embed:
    number, label = len(removal.accounts), clean(removal.provider.label)
    these = "this account" if number == 1 else f"these {number} accounts"
    if removal.old:
        title = f"Remove {count(number, f'old {label} account')}?"
        text = (
            f"This deletes {these} at Composio. {'It' if number == 1 else 'They'} no longer work"
            f"{'s' if number == 1 else ''}, and nothing that works is touched. It cannot be undone."
        )
    else:
        title = f"Revoke {label}?"
        text = (
            f"This takes away {these} at Composio, and the access at {label}, for everything that "
            f"uses the user ID `{user_id}`. It cannot be undone; the app would have to be connected again."
        )
    usable = "refused when it was tried" if removal.old else "active"
    lines = limited([_account(account, usable) for account in removal.accounts], DESCRIPTION - size(text) - 2)
    return discord.Embed(title=title, description=f"{text}\n\n{lines}", colour=RED)


def _account(account: Account, usable: str) -> str:
    """One that is asked about; *usable* says what one is that Composio shows as active."""
    state = usable if account.usable else clean(account.status.lower())
    return f"**{clean(shorten(account.name, 40))}** · {state} · added {day(account.created_at)}"


# ---------------------------------------------------------------- the receipt


def _receipt(removal: Removal, receipt: RevokeReceipt, dashboard_url: str) -> discord.Embed:
    label = removal.provider.label
    notes = []
    if not receipt.complete and not removal.old:
        notes.append("Revoke again to finish the job.")
    if receipt.unconfirmed and not removal.old:
        appeared = count(len(receipt.unconfirmed), "account")
        notes.append(f"{appeared} appeared after you were asked and stayed.")
    if receipt.row is None:
        notes.append("The database could not be written. The list and the history follow as soon as it can.")
    tail = "\n\n" + "\n".join(notes) if notes else ""
    lines = [_line(entry, label, dashboard_url) for entry in receipt.accounts]
    return discord.Embed(
        title=_title(clean(label), receipt, old=removal.old),
        description=limited(lines, DESCRIPTION - size(tail)) + tail,
        colour=GREEN if receipt.complete and receipt.row is not None else ORANGE,
    )


def _title(label: str, receipt: RevokeReceipt, *, old: bool) -> str:
    done, number = "removed" if old else "revoked", len(receipt.accounts)
    if old:
        label = count(number, f"old {label} account")
    match receipt.outcome:
        case EventOutcome.DONE:
            return f"{label} {done}"
        case EventOutcome.UNKNOWN:
            return f"{label}: not known whether {'they are' if old and number != 1 else 'it is'} {done}"
        case EventOutcome.PARTLY:
            return f"{label}: only partly {done}"
        case _:
            return f"{label}: not {done}"


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


OLD = "old"
PRESSES: Mapping[str, Press] = {
    "revoke": Press(ask, Place.PRIVATE),
    OLD: Press(ask_about_old, Place.PRIVATE),
}
