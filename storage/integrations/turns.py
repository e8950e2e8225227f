"""Whose turn it is to be read by itself, and what came of it. Several processes share the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .queries import Queries
from .tables import integrations, servers, syncs, turns

# Before all who have been read: whoever is new comes first.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


def first_turns(composio_user_ids: Iterable[str]) -> list[dict[str, Any]]:
    """What to insert for users who are new; each counts once."""
    return [
        {"composio_user_id": user_id, "due_at": AT_ONCE, "failures": 0}
        for user_id in dict.fromkeys(composio_user_ids)
    ]


# No read takes longer. What is stored as later than that was stored by a clock that has been put back since.
LATEST = timedelta(minutes=10)


def too_late(at: datetime) -> datetime:
    """No read that began then is stored as later than this."""
    return min(at, datetime.max.replace(tzinfo=UTC) - LATEST) + LATEST


def not_overtaken() -> Any:
    """Whether what was read at ``read_at`` is newer than the stored read, or that one was seen before it."""
    read_at = sa.bindparam("read_at", type_=syncs.c.synced_at.type)
    late = sa.bindparam("too_late", type_=syncs.c.synced_at.type)
    seen_at = sa.bindparam("seen_at", type_=syncs.c.synced_at.type)
    # Clocks differ: of two reads the order counts in which they were stored and seen, before their times do.
    return (syncs.c.synced_at == seen_at) | (syncs.c.synced_at <= read_at) | (syncs.c.synced_at > late)


class Turn(NamedTuple):
    """A Composio user that is to be read, and what was stored of it when it was taken.

    ``guild_id`` is one of its servers, None when there is none any more. ``revision`` is that of its last sync, 0
    before the first. ``rows`` stands for the revisions of all its rows. ``suspected`` are the providers of which a
    read has seen at ``suspected_at`` that all are lost.
    """

    composio_user_id: str
    failures: int
    guild_id: int | None
    revision: int
    synced_at: datetime | None
    fingerprint: str | None
    suspected_at: datetime | None
    suspected: list[str] | None
    rows: str


class Checked(NamedTuple):
    """A Composio user of which a read, begun at ``at``, has found what is stored already.

    The ``fingerprint`` is None where it is the one that is stored.
    """

    composio_user_id: str
    revision: int
    at: datetime
    fingerprint: str | None


class Turns(Queries):
    """The queries about turns."""

    async def take_turns(
        self, now: datetime, until: datetime, far: datetime, farthest: datetime, limit: int
    ) -> list[Turn]:
        """Take those that have waited longest, at most *limit*; nobody else takes them before *until*.

        They come in the order in which they were last read, those that never were first.

        A turn that is due after *far*, or after *farthest* when the user could not be read, was put there by a
        clock that has been put back since, or for a longer interval: it is taken too.
        """
        lost = (turns.c.due_at > far) & ((turns.c.failures == 0) | (turns.c.due_at > farthest))
        async with self._transaction() as connection:
            await connection.execute(sa.update(turns).where(lost).values(due_at=now))
            taken = list((await connection.execute(take(turns.c.due_at, now, until, limit))).scalars())
            if not taken:
                return []
            found = (await connection.execute(_TAKEN, {"taken": taken})).all()
        return [_turn(row) for row in found]

    async def next_turn(self) -> datetime | None:
        """When the first is due; None when nobody is to be read."""
        async with self._reading() as connection:
            found: datetime | None = (await connection.execute(_NEXT)).scalar()
        return found

    async def end_turns(
        self,
        ended: Collection[str],
        now: datetime,
        due: datetime,
        checked: Sequence[Checked] = (),
        *,
        failed: bool = False,
    ) -> None:
        """The turns of these users are over, and the next ones *due* then.

        Of those that were *checked* it is stored when, unless something newer is stored of them; and that nothing
        is suspected. What is stored as later than *now* is not newer: the clock was put back.
        """
        async with self._transaction() as connection:
            failures = turns.c.failures + 1 if failed else sa.literal(0)
            moved = sa.update(turns).where(turns.c.composio_user_id.in_(ended))
            await connection.execute(moved.values(due_at=due, failures=failures))
            await self._store_checked(connection, checked, now)

    async def _store_checked(self, connection: AsyncConnection, checked: Sequence[Checked], now: datetime) -> None:
        news = [one for one in checked if not one.revision]
        marked = [one for one in checked if one.revision and one.fingerprint]
        as_stored: dict[datetime, list[tuple[str, int]]] = {}
        for one in checked:
            if one.revision and not one.fingerprint:
                as_stored.setdefault(one.at, []).append((one.composio_user_id, one.revision))
        for at, users in as_stored.items():  # a batch has one, and is nearly all of a pass
            await connection.execute(_CHECK_MANY, {"the_at": at, "now": now, "users": users})
        if marked:
            given = [{f"the_{name}": value for name, value in one._asdict().items()} for one in marked]
            await connection.execute(_CHECK, [one | {"now": now} for one in given])
        if news:
            insert = self._insert(syncs).on_conflict_do_nothing()
            await connection.execute(insert, [_first_sync(one) for one in news])

    async def suspect(self, composio_user_id: str, revision: int, at: datetime, lost: Sequence[str]) -> None:
        """Remember that a read has seen that all these providers are lost, unless a newer sync is stored."""
        of = (syncs.c.composio_user_id == composio_user_id) & (syncs.c.revision == revision) & not_overtaken()
        when = {"read_at": at, "too_late": too_late(at), "seen_at": None}
        async with self._transaction() as connection:
            suspected = sa.update(syncs).where(of).values(suspected_at=at, suspected=list(lost))
            await connection.execute(suspected, when)

    async def drop_turns(self, composio_user_ids: Collection[str]) -> None:
        """Read those of these that have no server no more by itself; when one arrives they are brought back."""
        of = servers.c.composio_user_id == turns.c.composio_user_id
        served = sa.exists().where(of, servers.c.left_at.is_(None))
        async with self._transaction() as connection:
            await self._keep_others_from_arriving(connection)
            given = turns.c.composio_user_id.in_(composio_user_ids)
            await connection.execute(sa.delete(turns).where(given, ~served))

    async def checked_since(self, since: datetime) -> list[tuple[str, datetime]]:
        """Whose accounts were read to the end since then, and when."""
        statement = sa.select(syncs.c.composio_user_id, syncs.c.synced_at).where(syncs.c.synced_at > since)
        async with self._reading() as connection:
            return [(user_id, at) for user_id, at in await connection.execute(statement)]


def take(when: sa.Column[Any], now: datetime, until: datetime, limit: int, only: Any = None) -> Any:
    """Take the users who have waited longest of those whose time has come, and put it off until then."""
    # Apart, so that it is looked for once: PostgreSQL may do a subquery again and again, and find others.
    due = (
        sa.select(turns.c.composio_user_id)
        .where(when <= now, sa.true() if only is None else only)
        .order_by(when)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        sa.update(turns)
        .where(turns.c.composio_user_id.in_(sa.select(due.c.composio_user_id)))
        .values({when: until})
        .returning(turns.c.composio_user_id)
    )


def _taken() -> sa.Select[Any]:
    of = turns.c.composio_user_id
    taken: Any = sa.bindparam("taken", expanding=True)
    server = sa.select(sa.func.min(servers.c.guild_id)).where(
        servers.c.composio_user_id == of, servers.c.left_at.is_(None)
    )
    rows = sa.select(sa.func.count()).where(integrations.c.composio_user_id == of)
    written = sa.select(sa.func.sum(integrations.c.revision)).where(integrations.c.composio_user_id == of)
    # Said of both tables, or PostgreSQL looks through all syncs for a few that were taken.
    synced = sa.and_(syncs.c.composio_user_id == of, syncs.c.composio_user_id.in_(taken))
    return (
        sa.select(
            of,
            turns.c.failures,
            server.scalar_subquery(),
            sa.func.coalesce(syncs.c.revision, 0),
            syncs.c.synced_at,
            syncs.c.fingerprint,
            syncs.c.suspected_at,
            syncs.c.suspected,
            rows.scalar_subquery(),
            sa.func.coalesce(written.scalar_subquery(), 0),
        )
        .select_from(turns.outerjoin(syncs, synced))
        .where(of.in_(taken))
        .order_by(syncs.c.synced_at.is_not(None), syncs.c.synced_at, of)
    )


_TAKEN = _taken()
_NEXT = sa.select(turns.c.due_at).order_by(turns.c.due_at).limit(1)
_NEWER = (syncs.c.synced_at < sa.bindparam("the_at")) | (syncs.c.synced_at > sa.bindparam("now"))
_SEEN = {"synced_at": sa.bindparam("the_at"), "suspected_at": sa.null(), "suspected": sa.null()}
_CHECK = (
    sa.update(syncs)
    .where(
        syncs.c.composio_user_id == sa.bindparam("the_composio_user_id"),
        syncs.c.revision == sa.bindparam("the_revision"),
        _NEWER,
    )
    .values(fingerprint=sa.bindparam("the_fingerprint"), **_SEEN)
)
_CHECK_MANY = (
    sa.update(syncs)
    .where(
        sa.tuple_(syncs.c.composio_user_id, syncs.c.revision).in_(sa.bindparam("users", expanding=True)), _NEWER
    )
    .values(**_SEEN)
)


def _first_sync(checked: Checked) -> dict[str, Any]:
    values = {"composio_user_id": checked.composio_user_id, "fingerprint": checked.fingerprint}
    return values | {"synced_at": checked.at, "revision": 1}


def _turn(row: Any) -> Turn:
    return Turn._make([*row[:-2], rows_stamp(*row[-2:])])


def rows_stamp(rows: int, written: int) -> str:
    """Stands for so many rows, written so often altogether: it is another one after each write."""
    return f"{rows}:{written}"
