"""Who shares which check of one app: what runs is joined, and what proved nothing is handed on for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from storage.integrations import Integration, Verdict

from .findings import CheckReport
from .running import Run

# Whoever presses again and again is told the same: each try may cost money.
HANDED_ON_SECONDS = 10.0


@dataclass
class _Shared:
    run: Run[CheckReport]
    until: float | None = None
    """By the event loop's clock, once it has ended."""


class Sharing:
    """The checks of single apps that commands have asked for."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str], _Shared] = {}

    def run(self, row: Integration, start: Callable[[], Run[CheckReport]]) -> Run[CheckReport]:
        """The check of this row's provider that runs, or has just proved nothing of this very row; else anew."""
        self._shared = {key: one for key, one in self._shared.items() if one.until is None or one.until > _now()}
        key = row.composio_user_id, row.provider
        shared = self._shared.get(key)
        if shared is None or (shared.until is not None and _row(shared.run).revision != row.revision):
            shared = self._shared[key] = _Shared(start())
            shared.run.task.add_done_callback(lambda _: self._ended(shared))
        return shared.run

    def _ended(self, shared: _Shared) -> None:
        task = shared.run.task
        failed = task.cancelled() or task.exception() is not None  # then no app was asked
        # One that works is remembered, and where one was refused another account is the next to be tried.
        anew = failed or task.result().findings[0].verdict in (Verdict.WORKS, Verdict.REFUSED)
        shared.until = _now() + (0.0 if anew else HANDED_ON_SECONDS)


def _row(run: Run[CheckReport]) -> Integration:
    return run.task.result().findings[0].row


def _now() -> float:
    return asyncio.get_running_loop().time()
