"""One batch of the background: many Composio users are read at once, and each is compared with what is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from storage.integrations import Besides, Checked, Mirror, OutdatedError, Proof, State, Turn, rows_stamp

from .accounts import Accounts, Found
from .catalog import Catalog
from .errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    IntegrationError,
    StorageUnavailableError,
)
from .ledger import Ledger
from .plan import RULES, Plan, make_plan
from .results import NOBODY

log = logging.getLogger(__name__)

# That everything is lost is believed when a second read, at least so much later, says the same.
DOUBT = timedelta(seconds=60)
# Not about whom was asked for.
EVERYBODY = (ComposioBudgetError, ComposioBusyError, ComposioRefusedError)


# So begins the mark of a user of whose accounts something is proved.
_TIMED = "proved:"


class _Stored(NamedTuple):
    """What is stored of a user: the proofs were read after the rows."""

    mirror: Mirror
    proofs: Sequence[Proof]


class Moment(NamedTuple):
    """When a batch was begun to be read, and when it has to be over by the event loop's clock."""

    at: datetime
    until: float


@dataclass
class Outcome:
    """What became of the users of a batch."""

    checked: list[Checked] = field(default_factory=list)
    """They are as they are stored; when they were seen to be is still to be stored."""
    done: list[str] = field(default_factory=list)
    """What has changed is stored."""
    again: list[str] = field(default_factory=list)
    """Nothing was stored: somebody else has written meanwhile, or there was no time."""
    suspected: list[str] = field(default_factory=list)
    """Everything seems to be lost: to be read again as soon as that would be believed."""
    failed: dict[str, IntegrationError | None] = field(default_factory=dict)
    """These cannot be read or stored; None for what only the log knows."""
    stopped_by: ComposioError | None = None
    """Why nobody else is to be asked for either."""


class BatchReader:
    """Over accounts and a ledger that stay the caller's to close."""

    def __init__(
        self, *, accounts: Accounts, ledger: Ledger, catalog: Catalog, clock: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._catalog = catalog
        self._clock = clock
        self._told: set[str] = set()

    @property
    def size(self) -> int:
        """How many users are read together."""
        return self._accounts.batch_size

    async def read(self, turns: Sequence[Turn], seconds: float) -> Outcome:
        """Read the users whose turn it is, within *seconds*, and store what has changed.

        Raises `ComposioError` when nothing could be read, and `StorageUnavailableError`.
        """
        until = asyncio.get_running_loop().time() + seconds
        at = self._clock()  # from here on Composio may change without our seeing it
        batch = await self._accounts.accounts_of([turn.composio_user_id for turn in turns], seconds)
        outcome = Outcome(failed=dict(batch.failed))
        changed: list[Turn] = []
        for turn in turns:
            if found := batch.found.get(turn.composio_user_id):
                if self._mark(found, turn.rows, timed=_is_timed(turn.fingerprint)) == turn.fingerprint:
                    outcome.checked.append(Checked(turn.composio_user_id, turn.revision, at, None))
                else:
                    changed.append(turn)
        if changed:
            await self._compare(changed, batch.found, Moment(at, until), outcome)
        return outcome

    def _mark(self, found: Found, rows: str, *, timed: bool) -> str:
        """Stands for accounts and rows that agree: when both are still the same, there is nothing to compare.

        Where something is proved of the accounts it is *timed*: a proof ends when its account is touched.
        """
        mark = f"{RULES}:{found.fingerprint}:{self._catalog.fingerprint}:{rows}"
        return f"{_TIMED}{found.times}:{mark}" if timed else mark

    async def _compare(
        self, turns: Sequence[Turn], found: Mapping[str, Found], when: Moment, outcome: Outcome
    ) -> None:
        user_ids = [turn.composio_user_id for turn in turns]
        mirrors = await self._ledger.turns.stored(user_ids)
        proofs = await self._ledger.proofs.of(user_ids)
        refused = False
        for turn in turns:
            user_id = turn.composio_user_id
            try:
                if outcome.stopped_by:
                    outcome.again.append(user_id)
                else:
                    stored = _Stored(mirrors[user_id], proofs[user_id])
                    await self._compare_one(turn, stored, found[user_id], when, outcome)
            except EVERYBODY as error:
                outcome.failed[user_id] = outcome.stopped_by = error
            except ComposioError as error:
                outcome.failed[user_id] = error
            except StorageUnavailableError as error:
                if refused:  # it is not about what was to be stored
                    raise
                outcome.failed[user_id], refused = error, True
                continue
            except Exception:
                # One user whose data nobody has thought of stops nobody else.
                log.exception("could not compare a Composio user")
                outcome.failed[user_id] = None
            refused = False

    async def _compare_one(
        self, turn: Turn, stored: _Stored, found: Found, when: Moment, outcome: Outcome
    ) -> None:
        mirror, proofs = stored
        newer = (mirror.revision, _stamp(mirror)) != (turn.revision, turn.rows)
        # What was written since the turn was taken, or is left of a revoke, may be newer than what was read.
        if newer or self._ledger.known.assumed(turn.composio_user_id):
            outcome.again.append(turn.composio_user_id)
            return
        now = await self._believed(mirror, found, when.until)
        plan = make_plan(now.accounts(), mirror, self._catalog, when.at, proofs)
        self._log(plan)
        if _is_doubtful(turn, mirror, plan, when.at):
            await self._suspect(turn, plan, when.at, outcome)
        else:
            timed = any(proof.account_id not in plan.outdated for proof in proofs)
            mark = self._mark(now, _stamp(mirror, plan), timed=timed)
            await self._store(mirror, plan, when.at, mark, outcome)

    async def _believed(self, mirror: Mirror, found: Found, until: float) -> Found:
        """The accounts of a user; who seems to have none any more is asked for alone."""
        # ComposioHQ/composio#1834: a filter by users has been seen to match nobody.
        if not _connected(mirror) or found.accounts():
            return found
        user_id = mirror.composio_user_id
        alone = await self._accounts.accounts_of([user_id], until - asyncio.get_running_loop().time())
        if error := alone.failed.get(user_id):
            raise error
        return alone.found[user_id]

    async def _suspect(self, turn: Turn, plan: Plan, at: datetime, outcome: Outcome) -> None:
        lost = _lost(plan)
        known = turn.suspected == lost and turn.suspected_at is not None and turn.suspected_at <= at
        if not known:
            log.warning("a Composio user seems to have lost all %d connections; looking again", len(lost))
            await self._ledger.turns.suspect(turn.composio_user_id, turn.revision, at, lost)
        outcome.suspected.append(turn.composio_user_id)

    async def _store(self, mirror: Mirror, plan: Plan, at: datetime, mark: str, outcome: Outcome) -> None:
        user_id = mirror.composio_user_id
        if not plan.changes and not plan.outdated:
            outcome.checked.append(Checked(user_id, mirror.revision, at, mark))
            return
        rows = [change.after for change in plan.changes]
        besides = Besides(mark, outdated=plan.outdated)
        try:
            await self._ledger.record_sync(mirror, rows, at, NOBODY.synced(at, plan), besides)
        except OutdatedError:  # somebody else has stored something newer, or nothing was stored
            outcome.again.append(user_id)
        else:
            outcome.done.append(user_id)

    def _log(self, plan: Plan) -> None:
        """Say what is strange, once."""
        for what in (*plan.unknown_toolkits, *plan.unknown_statuses):
            if what not in self._told and len(self._told) < _TOLD:
                self._told.add(what)
                log.warning("skipped %r, a toolkit that no provider has or a status that is not known", what)


_TOLD = 100


def _is_timed(mark: str | None) -> bool:
    return mark is not None and mark.startswith(_TIMED)


def _stamp(mirror: Mirror, plan: Plan | None = None) -> str:
    """See `rows_stamp`; of the rows as they are once the *plan* is stored."""
    rows = dict(mirror.rows)
    if plan:
        rows |= {change.after.provider: change.after.written() for change in plan.changes}
    return rows_stamp(len(rows), sum(row.revision for row in rows.values()))


def _connected(mirror: Mirror) -> list[str]:
    return sorted(name for name, row in mirror.rows.items() if row.state is State.CONNECTED)


def _lost(plan: Plan) -> list[str]:
    """What was connected and is not even in need of reconnecting."""
    return sorted(
        change.after.provider
        for change in plan.changes
        if change.before.state is State.CONNECTED and change.after.state is State.NOT_CONNECTED
    )


def _is_doubtful(turn: Turn, mirror: Mirror, plan: Plan, at: datetime) -> bool:
    """Whether all that was connected, two or more, seems to be lost, and nobody has seen that before."""
    lost = _lost(plan)
    if len(lost) < 2 or lost != _connected(mirror):
        return False
    seen_before = turn.suspected_at is not None and turn.suspected == lost
    return not (seen_before and turn.suspected_at and at - turn.suspected_at >= DOUBT)
