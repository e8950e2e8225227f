"""An end for every call, which does not depend on the other side."""

from __future__ import annotations

from dataclasses import dataclass

from ..mirror.errors import ComposioUnavailableError, Trouble


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """After how many seconds a call ends at the latest. The time-outs of HTTP begin anew with every byte.

    `accounts`: an interaction's token lives 15 minutes, and what is read has to be stored and told.
    `account`: 5 for a slot of the budget, and two of its three tries, if they time out after 15 each.
    `write`, `check`: one try: 5 for a slot, 5 to connect, 15 for the answer.
    `probe`: one try, for which Composio asks a provider: 30 for the answer.
    `close`: nothing is lost when a connection is not closed properly.
    """

    accounts: float = 300.0
    account: float = 40.0
    write: float = 25.0
    check: float = 25.0
    probe: float = 40.0
    close: float = 1.0


def late(seconds: float) -> ComposioUnavailableError:
    """What a call raises that took longer."""
    return ComposioUnavailableError(Trouble.TIMEOUT, f"no end within {seconds:g} s")
