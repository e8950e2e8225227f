"""A provider's state as people see it: a coloured sign, the same in words, and why."""

from __future__ import annotations

import re

from storage.integrations import Condition, Integration

from ..mirror.plan import REFUSED
from .text import clean, shorten

SIGNS = {
    Condition.CONNECTED: "🟢",
    Condition.DISABLED: "🟡",
    Condition.NEEDS_RECONNECT: "🟠",
    Condition.NOT_CONNECTED: "🔴",
    Condition.NEWER: "⚪",
}
_WORDS = {
    Condition.CONNECTED: "Connected",
    Condition.DISABLED: "Connected (disabled)",
    Condition.NEEDS_RECONNECT: "Needs reconnecting",
    Condition.NOT_CONNECTED: "Not connected",
    # A newer version of this program has stored it.
    Condition.NEWER: "Something newer than this bot knows",
}
# A word of a sentence: without digits, dots or capitals inside unless it is short (OAuth2, GitHub), or a number
# like 401. Anything else may be part of an address, a token or a body.
_WORD = re.compile(r"(?:[^\W\d_]{1,8}\d?|[^\W\d_][^\W\d_A-Z]{0,14}(?:['’-][^\W\d_A-Z]+)?|\d{1,4})[.,;:!?]?")
_WORD_LENGTH = 18
_SENTENCE_WORDS = 25
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
    REFUSED: "{label} refused the access when it was tried",
}


def indicator(row: Integration) -> str:
    """The coloured sign; `status` says the same in words."""
    return SIGNS[row.condition]


def status(row: Integration) -> str:
    """The state in words."""
    return _WORDS[row.condition]


def account(row: Integration, limit: int = 40) -> str:
    """Which account decides the state, its name in at most *limit* characters, and whether there are more."""
    more = row.usable_accounts - 1
    return clean(shorten(row.account_name or "", limit)) + (f" and {more} more" if more > 0 else "")


def reason(row: Integration, label: str) -> str:
    """Why an account cannot be used: our words, or Composio's own where we have none and they are a sentence."""
    return why(row.status, row.reason, clean(label))


def why(status_: str | None, reason_: str | None, label: str) -> str:
    """`reason`, of what the history remembers; *label* is clean."""
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
