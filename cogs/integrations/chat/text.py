"""All words for people, and the mapping from errors to words. Pure; nothing here knows an embed or a view."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from discord.utils import escape_mentions, format_dt

from storage.integrations import Action, Condition, Event, EventOutcome, Integration, Mirror, State

from .catalog import Provider
from .composio import Account
from .errors import (
    ComposioBusyError,
    ComposioRefusedError,
    ComposioUnavailableError,
    IntegrationError,
    MissingRightError,
    NotAllowedHereError,
    NotConnectedError,
    OldButtonError,
    Right,
    StorageUnavailableError,
    TooSoonError,
    Trouble,
    UnknownProviderError,
)
from .revoke import AccountReceipt, Outcome

GROUP = "See and manage the apps that this bot can use"
LIST = "Show which apps are connected"
SYNC = "Read the connected apps from Composio again"
TOGGLE = "Let this bot use a connected app, or stop it from using it"
REVOKE = "Take away a connected app at Composio, for good (administrators)"
HOWTO = "Show how to connect an app"
HISTORY = "Show who changed what, and when (Manage Server)"
OPTION_PROVIDER = "Which app"
OPTION_ENABLED = "On or off; left out, it flips"

TITLE = "Integrations"
NEVER_SYNCED = "Never synced; press **Sync from Composio** to see what is connected"
UP_TO_DATE = "Already up to date"
BUTTON_SYNC = "Sync from Composio"
BUTTON_DASHBOARD = "Open Composio"
BUTTON_PREVIOUS = "Previous"
BUTTON_NEXT = "Next"
BUTTON_ENABLE = "Enable"
BUTTON_DISABLE = "Disable"
BUTTON_REVOKE = "Revoke"
BUTTON_HOWTO = "How to connect"
BUTTON_CONNECTED = "I've connected it"
BUTTON_CANCEL = "Cancel"
SELECT_MANAGE = "Manage an integration…"
REVOKING = "Revoking…"
CANCELLED = "Cancelled. Nothing was revoked."
EXPIRED = "No answer within a minute. Nothing was revoked."

FIELD_STATUS = "Status"
FIELD_NEED = "Need"
FIELD_ACCOUNT = "Account"
FIELD_SINCE = "Since"
FIELD_SYNCED = "Last synced"
FIELD_REASON = "Why"
FIELD_ADDED = "Added"
FIELD_REMOVED = "Removed"
FIELD_UNCHANGED = "Unchanged"
FIELD_ATTENTION = "Needs reconnecting"
FIELD_SKIPPED = "Skipped"
FIELD_LEFT_ALONE = "Changed here meanwhile"
FIELD_STEPS = "Steps"
FIELD_USER_ID = "User ID to type in Composio"
LEFT_ALONE = "Left as it is; sync again to see it: "
# A line that is too long for the screen breaks before the dot.
DOT = " ·\u00a0"
REQUIRED = "Required"
OPTIONAL = "Optional"

# discord.py's escape_markdown leaves links alone, and escapes some characters for which ours would come twice.
_MARKUP = re.compile(r"([\\*_~|`\[\]()<>#:-])")
# A word of a sentence: without digits, dots or capitals inside unless it is short (OAuth2, GitHub), or a number
# like 401. Anything else may be part of an address, a token or a body.
_WORD = re.compile(r"(?:[^\W\d_]{1,8}\d?|[^\W\d_][^\W\d_A-Z]{0,14}(?:['’-][^\W\d_A-Z]+)?|\d{1,4})[.,;:!?]?")
_WORD_LENGTH = 18
_SENTENCE_WORDS = 25


def clean(text: str) -> str:
    """Text from outside, made to stand for itself: no markup, no mention, no link. At most twice as long."""
    return _MARKUP.sub(r"\\\1", escape_mentions(text))


def code(text: str) -> str:
    """Text from outside as inline code, where a backslash would be shown."""
    return f"`{text.replace('`', '')}`"


def size(text: str) -> int:
    """The length as Discord's clients count it, in UTF-16: a character beyond the first 65,536 counts twice."""
    return len(text.encode("utf-16-le")) // 2


def shorten(text: str, limit: int) -> str:
    """At most *limit* in `size`, with a sign that some is missing."""
    if size(text) <= limit:
        return text
    return text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore").rstrip() + "…"


def ago(time: datetime) -> str:
    """``2 minutes ago``, kept up to date by the person's own Discord."""
    return format_dt(time, "R")


def day(time: datetime) -> str:
    """The date in short, as the person's own language and time zone have it."""
    return format_dt(time, "d")


def count(number: int, noun: str) -> str:
    """``1 account``, ``2 accounts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def indicator(row: Integration) -> str:
    """The coloured sign; `status` says the same in words."""
    match row.state:
        case State.CONNECTED:
            return "🟢" if row.enabled else "🟡"
        case State.NEEDS_RECONNECT:
            return "🟠"
        case State.NOT_CONNECTED:
            return "🔴"


def status(row: Integration) -> str:
    """The state in words."""
    match row.state:
        case State.CONNECTED:
            return "Connected" if row.enabled else "Connected (disabled)"
        case State.NEEDS_RECONNECT:
            return "Needs reconnecting"
        case State.NOT_CONNECTED:
            return "Not connected"


def account(row: Integration) -> str:
    """Which account decides the state, and whether there are more."""
    more = row.usable_accounts - 1
    return clean(shorten(row.account_name or "", 40)) + (f" and {more} more" if more > 0 else "")


def line(provider: Provider, row: Integration) -> str:
    """One provider's line of the list."""
    parts = [f"{indicator(row)} **{clean(provider.label)}** · {status(row)}"]
    if row.account_name:
        parts.append(account(row))
    if row.since:
        parts.append(f"since\u00a0{day(row.since)}")
    return DOT.join(parts)


def choice(provider: Provider, row: Integration) -> str:
    """One suggestion of the autocomplete."""
    return shorten(f"{indicator(row)} {provider.label} · {status(row)}", 100)


def head(providers: Sequence[Provider], mirror: Mirror) -> str:
    """How many are connected, how many need attention, when last synced."""
    rows = [mirror.get(provider.id) for provider in providers]
    connected = sum(row.state is State.CONNECTED for row in rows)
    attention = sum(row.state is State.NEEDS_RECONNECT for row in rows)
    first = f"🟢 **{connected} of {len(rows)}** connected"
    if attention:
        first += f" · 🟠 **{attention}** need{'s' if attention == 1 else ''} attention"
    last = f"Last synced {ago(mirror.synced_at)}" if mirror.synced_at else NEVER_SYNCED
    return "\n".join(part for part in (missing(providers, mirror), first, last) if part)


def missing(providers: Sequence[Provider], mirror: Mirror) -> str:
    """Which required providers are not connected; nothing when all are."""
    labels = [
        clean(provider.label)
        for provider in providers
        if provider.required and mirror.get(provider.id).state is not State.CONNECTED
    ]
    if not labels:
        return ""
    are = "is" if len(labels) == 1 else "are"
    names = shorten(", ".join(labels), 300)
    return f"⚠️ **{count(len(labels), 'required integration')} {are} missing:** {names}"


def page_of(page: int, pages: int, providers: int) -> str:
    """The footer of a list with several pages."""
    return f"Page {page} of {pages} · {count(providers, 'integration')}"


def synced(added: int, removed: int, unchanged: int) -> str:
    """The headline of a sync that changed something."""
    return f"Synced: {added} added, {removed} removed, {unchanged} unchanged"


def reason(row: Integration, label: str) -> str:
    """Why an account cannot be used: our words, or Composio's own where we have none and they are a sentence."""
    return _why(row.status, row.reason, clean(label))


def _why(status_: str | None, reason_: str | None, label: str) -> str:
    said = reason_ or ""
    for known, words in _REASONS.items():
        if known in said:
            return words.format(label=label)
    if status_ in _STATUSES:
        plain = _STATUSES[status_].format(label=label)
    else:
        plain = f"Composio reports “{clean(status_ or 'unknown')}”"
    return f"{plain}: {clean(said)}" if _is_sentence(said) else plain


def _is_sentence(text: str) -> bool:
    parts = text.split(" ")
    return len(parts) <= _SENTENCE_WORDS and all(
        len(part) <= _WORD_LENGTH and _WORD.fullmatch(part) for part in parts
    )


_REASONS = {
    "Permanent auth error during token refresh": "{label} no longer accepts this access",
    "Max auth failures reached": "{label} refused this access too many times",
    "Connection status updated by user": "It was switched off in Composio",
    "Revoked via user-initiated revoke endpoint": "This access was revoked in Composio",
}
_STATUSES = {
    "EXPIRED": "This access has run out",
    "FAILED": "Connecting {label} failed",
    "REVOKED": "This access was revoked",
    "INACTIVE": "It is switched off in Composio",
}


SKIPPED = ": connected at Composio, but not an app this bot knows"


def howto_title(provider: Provider) -> str:
    """The title of the instructions."""
    return f"How to connect {clean(provider.label)}"


def steps(provider: Provider) -> list[str]:
    """The instructions, in order."""
    label = clean(provider.label)
    return [
        "Open Composio with the button below and sign in.",
        f"Start a new connection for **{label}**.",
        "When it asks for a user ID, type exactly the one shown below. "
        "With another one, this bot will not see the connection.",
        *(clean(step) for step in provider.steps),
        f"Allow the access at {label}, and wait until Composio shows the account as active.",
        f"Come back and press **{BUTTON_CONNECTED}**.",
    ]


def verdict(provider: Provider, row: Integration) -> str:
    """The answer to “I've connected it”, after a sync."""
    label = clean(provider.label)
    match row.state:
        case State.CONNECTED:
            return f"🟢 {label} is connected" + ("." if row.enabled else ", but switched off here.")
        case State.NEEDS_RECONNECT:
            return f"🟠 {label} still needs reconnecting: {reason(row, provider.label)}."
        case State.NOT_CONNECTED:
            return f"🔴 Composio shows no finished {label} connection for this user ID yet."


def switched(provider: Provider, row: Integration, *, changed: bool) -> str:
    """What moving the switch did."""
    already, position = "" if changed else "already ", "on" if row.enabled else "off"
    rest = "" if row.enabled else " The connection at Composio stays."
    return f"{clean(provider.label)} is {already}switched {position} here.{rest}"


def confirm_title(provider: Provider) -> str:
    """The question before a revocation."""
    return f"Revoke {clean(provider.label)}?"


def confirm(provider: Provider, accounts: Sequence[Account], composio_user_id: str) -> str:
    """What a revocation would do."""
    these = "this account" if len(accounts) == 1 else f"these {len(accounts)} accounts"
    return (
        f"This takes away {these} at Composio, and the access at {clean(provider.label)}, for everything that "
        f"uses the user ID `{composio_user_id}`. It cannot be undone; the app would have to be connected again."
    )


def confirm_button(accounts: Sequence[Account]) -> str:
    """The label of the danger button."""
    return f"Revoke {count(len(accounts), 'account')}"


def nothing_to_revoke(provider: Provider) -> str:
    """Composio has no account for it."""
    return f"Composio has no {clean(provider.label)} account for this bot. There is nothing to revoke."


def account_line(account: Account) -> str:
    """One account in a confirmation."""
    state = "active" if account.usable else clean(account.status.lower())
    return f"**{clean(shorten(account.name, 40))}** · {state} · since {day(account.created_at)}"


def receipt_title(provider: Provider, *, complete: bool, gone: int) -> str:
    """The headline of a receipt."""
    if complete:
        return f"{clean(provider.label)} revoked"
    return f"{clean(provider.label)}: " + ("only partly revoked" if gone else "not revoked")


def receipt_line(receipt: AccountReceipt, label: str, dashboard_url: str) -> str:
    """What became of one account."""
    name = clean(shorten(receipt.account.name, 40))
    return f"{_receipt_sign(receipt.outcome)} **{name}** · {_receipt_words(receipt, clean(label), dashboard_url)}"


def _receipt_sign(outcome: Outcome) -> str:
    match outcome:
        case Outcome.REVOKED | Outcome.ALREADY_GONE:
            return "✅"
        case Outcome.NOT_REVOCABLE | Outcome.NOT_ACTIVE:
            return "☑️"
        case Outcome.NOT_TRIED:
            return "⏸️"
        case Outcome.STILL_CONNECTED | Outcome.REVOKED_NOT_DELETED | Outcome.NOT_DELETED | Outcome.UNCLEAR:
            return "❌"


def _receipt_words(receipt: AccountReceipt, label: str, dashboard_url: str) -> str:
    why = f" {for_error(receipt.error)}" if receipt.error else ""
    match receipt.outcome:
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


REVOKE_AGAIN = "Revoke again to finish the job."
NOT_STORED = "This could not be saved here. Sync to bring the list up to date."


def unconfirmed(accounts: Sequence[Account]) -> str:
    """Accounts that are still there because nobody was asked about them."""
    return f"{count(len(accounts), 'account')} appeared after you were asked and stayed."


def known_at(mirror: Mirror) -> str:
    """What is shown instead of news."""
    if mirror.synced_at is None:
        return "Nothing is known yet."
    return f"Showing what was known {ago(mirror.synced_at)}."


def history_title(provider: Provider | None) -> str:
    """The headline of the history."""
    return f"History of {clean(provider.label)}" if provider else "History"


NOT_LOADED = "The integrations of this bot are not available right now."


def guarded(provider: Provider, row: Integration) -> str:
    """Why a command that needs an app does not run, and who can change that."""
    label = clean(provider.label)
    match row.condition:
        case Condition.NOT_CONNECTED:
            return f"🔴 This needs {label}, which is not connected."
        case Condition.NEEDS_RECONNECT:
            return f"🟠 This needs {label}, which needs reconnecting: {reason(row, provider.label)}."
        case Condition.DISABLED:
            return (
                f"🟡 This needs {label}, which is switched off here. "
                "People with the permission **Manage Server** can switch it on."
            )
        case Condition.CONNECTED:
            return f"🟢 {label} is connected."


NO_HISTORY = "Nothing has happened yet."
NO_MORE_HISTORY = "Nothing older is remembered."


def event_line(event: Event, label: str) -> str:
    """One thing that happened."""
    when = format_dt(event.at, "f")
    change = f"{_CONDITIONS[event.before]} → {_CONDITIONS[event.after]}"
    who = f"<@{event.person_id}>" if event.person_id else "the bot itself"
    parts = [
        f"{when} · **{clean(label)}**: {change}",
        f"{_ACTIONS[event.action]} by {who}{_ENDINGS[event.outcome]}",
    ]
    if event.after is Condition.NEEDS_RECONNECT:
        parts.append(_why(event.status, event.reason, clean(label)))
    return "\n".join([parts[0], "-# " + " · ".join(parts[1:])])


_CONDITIONS = {
    Condition.CONNECTED: "🟢 Connected",
    Condition.DISABLED: "🟡 Connected (disabled)",
    Condition.NEEDS_RECONNECT: "🟠 Needs reconnecting",
    Condition.NOT_CONNECTED: "🔴 Not connected",
}
_ACTIONS = {Action.SYNC: "Sync", Action.TOGGLE: "Switch", Action.REVOKE: "Revoke"}
_ENDINGS = {
    EventOutcome.DONE: "",
    EventOutcome.PARTLY: ", only partly done",
    EventOutcome.FAILED: ", failed",
}


def for_error(error: IntegrationError) -> str:
    """The sentence that a person is told."""
    match error:
        case ComposioRefusedError():
            return "Composio refused the API key. Whoever runs this bot has to check `COMPOSIO_API_KEY`."
        case ComposioBusyError(retry_after=None):
            return "Composio has had too many requests. Try again in a minute."
        case ComposioBusyError(retry_after=float(seconds)):
            return f"Composio has had too many requests. Try again in {seconds_in_words(seconds)}."
        case ComposioUnavailableError():
            return f"Composio did not answer{_TROUBLE[error.trouble]}."
        case StorageUnavailableError():
            return f"Sorry, something is wrong with this bot's database. Reference: `{error.reference}`"
        case NotAllowedHereError():
            return "This bot's integrations are not set up for this server."
        case MissingRightError(right=Right.ADMINISTRATOR):
            return "Only an administrator may do this."
        case MissingRightError(right=Right.MANAGE_SERVER):
            return "Only people with the permission **Manage Server** may do this."
        case UnknownProviderError():
            return _unknown(error)
        case NotConnectedError():
            return f"{clean(error.label)} {_NOT_CONNECTED[error.state]}"
        case TooSoonError():
            return f"You have just synced. Try again in {seconds_in_words(error.retry_after)}."
        case OldButtonError():
            return "This button is from another version of the bot. Use `/integrations list`."
        case _:
            raise NotImplementedError(type(error).__name__)


_TROUBLE = {
    Trouble.TIMEOUT: " in time",
    Trouble.NETWORK: "",
    Trouble.SERVER: " properly; it seems to have trouble",
    Trouble.UNREADABLE: " in a way this bot can read",
    Trouble.UNSTABLE: " the same twice: the accounts kept changing while they were read",
}
_NOT_CONNECTED = {
    State.CONNECTED: "is connected.",
    State.NEEDS_RECONNECT: "needs reconnecting before it can be switched on or off.",
    State.NOT_CONNECTED: "is not connected, so there is nothing to switch on or off.",
}


def _unknown(error: UnknownProviderError) -> str:
    words = f"There is no integration called “{clean(shorten(error.text, 50))}”."
    if error.closest:
        words += f" Did you mean {' or '.join(f'**{clean(label)}**' for label in error.closest)}?"
    return words


def seconds_in_words(seconds: float) -> str:
    """``8 seconds``, ``3 minutes``; never less than one second."""
    whole = max(1, round(seconds))
    return count(whole, "second") if whole < 90 else count(round(whole / 60), "minute")
