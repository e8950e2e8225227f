"""Whose accounts are to be tried by themselves, and when. Several processes share the work."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .queries import Queries
from .tables import integrations, proofs, servers, turns
from .turns import take
from .values import State, Verdict

# How many who are new are given a time at once, and among how many those with nothing to try are put off.
_NEW, _FIRST = 500, 200
_random = secrets.SystemRandom()


class Claims(Queries):
    """The queries about who is to be checked."""

    async def claim_check(self, now: datetime, interval: timedelta, limit: int) -> list[str]:
        """Take served users who are to be checked, at most *limit* of those that have waited longest.

        Nobody else takes them until the *interval* is over. Whoever is new is not checked at once: first some
        hundred at a time are given a time within the interval, so that a fleet is spread over it. Left out are
        those of whom nothing is connected, and no account was refused: there is nothing to try. So are those whose
        servers have all been left.
        """
        until = now + interval
        async with self._transaction() as connection:
            await connection.execute(_put_off(now, until))
            taken = await connection.execute(take(turns.c.check_at, now, until, limit, _WORTH_IT))
            await _spread(connection, now, interval)
            return list(taken.scalars())

    async def give_back_check(self, composio_user_id: str, now: datetime, within: timedelta) -> None:
        """Let somebody else take a user, at a time *within* which nobody knows who looks first."""
        async with self._transaction() as connection:
            given = {"user": composio_user_id, "at": now + within * _random.random()}
            await connection.execute(_GIVE, given)


async def _spread(connection: AsyncConnection, now: datetime, interval: timedelta) -> None:
    """Give a time to those who have none, or one that was given for a longer interval or by a clock put back."""
    lost = turns.c.check_at.is_(None) | (turns.c.check_at > now + 2 * interval)
    # Whoever is just being written is left for the next time: two that wait for each other would both fail.
    statement = sa.select(turns.c.composio_user_id).where(lost).limit(_NEW).with_for_update(skip_locked=True)
    if found := (await connection.execute(statement)).scalars().all():
        given = [{"user": user_id, "at": now + interval * _random.random()} for user_id in found]
        await connection.execute(_GIVE, given)


_GIVE = (
    sa.update(turns)
    .where(turns.c.composio_user_id == sa.bindparam("user"))
    .values(check_at=sa.bindparam("at", type_=turns.c.check_at.type))
)


def _worth_it(user: Any) -> Any:
    connected = integrations.c.state == State.CONNECTED.value
    refused = proofs.c.verdict == Verdict.REFUSED.value
    something = _is_there(integrations.c.composio_user_id == user, connected) | _is_there(
        proofs.c.composio_user_id == user, refused
    )
    return something & _is_there(servers.c.composio_user_id == user, servers.c.left_at.is_(None))


def _is_there(*wanted: Any) -> Any:
    # Not EXISTS: for that PostgreSQL may read the whole table, and keep it for the few who are asked about.
    return sa.select(sa.literal_column("1")).where(*wanted).limit(1).scalar_subquery().is_not(None)


def _put_off(now: datetime, until: datetime) -> Any:
    """Put off those with nothing to try, as far as they are among the first."""
    first = (
        sa.select(turns.c.composio_user_id)
        .where(turns.c.check_at <= now)
        .order_by(turns.c.check_at)
        .limit(_FIRST)
        .with_for_update(skip_locked=True)
        .cte("first")
    )
    idle = sa.select(first.c.composio_user_id).where(~_worth_it(first.c.composio_user_id))
    return sa.update(turns).where(turns.c.composio_user_id.in_(idle)).values(check_at=until)


_WORTH_IT = _worth_it(turns.c.composio_user_id)
