"""When the mirror was last known to be true, in words, and why that is long ago."""

from __future__ import annotations

from datetime import datetime

from ..mirror.errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioRefusedError,
    ComposioUnavailableError,
    StorageUnavailableError,
)
from ..mirror.freshness import Freshness, Unchecked, Why
from .text import ago
from .troubles import TROUBLE

_UNCHECKED = {
    Unchecked.STARTING: "the bot has only just started",
    Unchecked.SUSPECTED: "Composio shows none of what was connected; it is looked at once more",
    Unchecked.UNKNOWN: "",
}


def checked(freshness: Freshness, composio_user_id: str, at: datetime) -> str:
    """``Checked 2 minutes ago``, or that it was not since then, and why."""
    name, value = parts(freshness, composio_user_id, at, "Checked")
    return f"{name} {value}"


def parts(freshness: Freshness, composio_user_id: str, at: datetime, name: str = "As of") -> tuple[str, str]:
    """The same as the name and the value of a field, beside one about a check at the app itself."""
    if not freshness.is_stale(at):
        return name, ago(at)
    why = _words(freshness.why(composio_user_id))
    return "⚠️ Not checked since", f"{ago(at)}: {why}" if why else ago(at)


def _words(why: Why) -> str:
    match why:
        case Unchecked():
            return _UNCHECKED[why]
        case ComposioRefusedError():
            return "Composio refused the API key"
        case ComposioBusyError():
            return "Composio has had too many requests"
        case ComposioBudgetError():
            return "this bot has asked Composio as often as it may"
        case ComposioUnavailableError():
            return f"Composio did not answer{TROUBLE[why.trouble]}"
        case StorageUnavailableError():
            return "something is wrong with this bot's database"
        case _:
            return ""
