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

# How many who are new are given a time at once, and how many with nothing to try are put off.
_NEW, _IDLE = 500, 5_000
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
            await connection.execute(take(turns.c.check_at, now, until, _IDLE, ~_WORTH_IT))
            taken = await connection.execute(take(turns.c.check_at, now, until, limit, _WORTH_IT))
            await _spread(connection, now, interval)
            return list(taken.scalars())


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


def _worth_it() -> Any:
    of = turns.c.composio_user_id
    connected = integrations.c.state == State.CONNECTED.value
    refused = proofs.c.verdict == Verdict.REFUSED.value
    something = sa.or_(
        sa.exists().where(integrations.c.composio_user_id == of, connected),
        sa.exists().where(proofs.c.composio_user_id == of, refused),
    )
    return something & sa.exists().where(servers.c.composio_user_id == of, servers.c.left_at.is_(None))


_WORTH_IT = _worth_it()
