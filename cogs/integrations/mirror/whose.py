"""What a provider's answer says: whose account it is, where that is known to stand. No guesses."""

from __future__ import annotations

from typing import Any

from .accounts import NAME_LENGTH
from .text import line

# As seen in the field.
_PLACES = {
    "gmail": ("emailAddress",),
    "googledrive": ("user.emailAddress",),
    "github": ("login",),
    "notion": ("bot.owner.user.person.email", "bot.workspace_name"),
    "linear": ("viewer.email",),
}


def whom(data: Any, toolkit: str, place: str | None) -> str | None:
    """The name at *place*, or where this toolkit has it; None when nothing that is one stands there."""
    for path in (place,) if place else _PLACES.get(toolkit, ()):
        # GraphQL puts all that it answers under "data".
        for name in (_at(data, path), _at(data, f"data.{path}")):
            if name:
                return name
    return None


def _at(data: Any, path: str) -> str | None:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, str) or len(data) > NAME_LENGTH:
        return None
    return line(data, NAME_LENGTH) or None


def has_errors(data: Any) -> bool:
    """Whether it says with 200 that something went wrong: GraphQL's way, or Slack's, also of a dead token."""
    return isinstance(data, dict) and (bool(data.get("errors")) or data.get("ok") is False)
