"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from storage.integrations import Integration, Verdict

from .catalog import Provider
from .errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ProbeForbiddenError,
)


class Why(Enum):
    """Why nothing was proved, where Composio itself did its part."""

    NO_ENDPOINT = auto()
    """There is no way to ask who is signed in."""
    NOT_CONNECTED = auto()
    """There is no account to try, or it was just proved."""
    MOVED = auto()
    """The account was changed while it was tried, twice."""
    STATUS = auto()
    """The app answered with another status."""
    ERRORS = auto()
    """The app's answer tells of errors."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one provider; without a verdict, why not, and its state is as it was.

    ``row`` is as stored now. ``whom`` is personal: only for those who manage the server.
    """

    provider: Provider
    row: Integration
    verdict: Verdict | None = None
    whom: str | None = field(default=None, repr=False)
    why: Why | None = None
    status: int | None = None
    error: ComposioError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What trying one account came to, and when the app was asked."""

    verdict: Verdict | None = None
    whom: str | None = field(default=None, repr=False)
    why: Why | None = None
    status: int | None = None
    error: ComposioError | None = None
    at: datetime | None = None

    def finding(self, provider: Provider, row: Integration) -> Finding:
        """The same, of this provider."""
        return Finding(provider, row, self.verdict, self.whom, self.why, self.status, self.error)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check has found, in catalogue order, and how many requests it made to the apps."""

    findings: tuple[Finding, ...]
    probes: int
    at: datetime


def is_about_all(error: ComposioError) -> bool:
    """Whether asking about another account would come to the same."""
    return isinstance(error, (ComposioBudgetError, ComposioBusyError, ComposioRefusedError, ProbeForbiddenError))
