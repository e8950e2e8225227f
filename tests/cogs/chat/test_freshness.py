"""How old the mirror is, in the words of everything that shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import cast

import pytest

from cogs.integrations.chat import card, overview, refusal
from cogs.integrations.chat.answer import Answer, Interaction
from cogs.integrations.chat.context import Context
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioRefusedError,
    ComposioUnavailableError,
    IntegrationError,
    StorageUnavailableError,
    Trouble,
)
from cogs.integrations.mirror.freshness import Freshness
from tests.cogs.chat.stage import BROKEN, NOON, USER, Behind, Kept, Person, context_over, embed_of, mirror, written

AGO = f"<t:{int(NOON.timestamp())}:R>"
STALE = f"⚠️ Not checked since {AGO}"


def context(interval: float = 900.0, hours: float = 24.0) -> Context:
    """What was checked at noon is looked at so many hours later, by a process that began long before."""
    now = iter([NOON - timedelta(days=30)])
    freshness = Freshness(interval, lambda: next(now, NOON + timedelta(hours=hours)))
    return context_over(Behind(mirror(BROKEN)), freshness=freshness)


async def listed(context: Context) -> Answer:
    return overview.page(context, mirror(BROKEN))


async def carded(context: Context) -> Answer:
    reply = Kept()
    await card.show(context, reply, "gmail")
    return reply.answer


async def refused(context: Context) -> Answer:
    person = Person()
    await refusal.require(context, cast("Interaction", person), "gmail")
    return person.told[-1]


Shown = Callable[[Context], Awaitable[Answer]]
everywhere = pytest.mark.parametrize("shown", [listed, refused])


@everywhere
async def test_what_was_checked_of_late_says_when(shown: Shown) -> None:
    told = written(await shown(context(hours=0.7)))

    assert f"Checked {AGO}" in told
    assert "Not checked" not in told


@everywhere
async def test_what_was_not_checked_for_three_intervals_says_so(shown: Shown) -> None:
    told = written(await shown(context(hours=0.76)))

    assert STALE in told
    assert f"{AGO}:" not in told  # nobody knows why


@everywhere
async def test_where_nothing_is_checked_by_itself_nothing_is_old(shown: Shown) -> None:
    told = written(await shown(context(interval=0)))

    assert f"Checked {AGO}" in told
    assert "Not checked" not in told


async def test_a_card_has_a_field_for_it() -> None:
    stale = context()
    stale.freshness.failed(None, ComposioRefusedError())

    fresh, old = embed_of(await carded(context(hours=0))).fields[-1], embed_of(await carded(stale)).fields[-1]

    assert (fresh.name, fresh.value) == ("As of", AGO)
    assert (old.name, old.value) == ("⚠️ Not checked since", f"{AGO}: Composio refused the API key")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ComposioRefusedError(), "Composio refused the API key"),
        (ComposioBusyError(5.0), "Composio has had too many requests"),
        (ComposioBudgetError(5.0), "this bot has asked Composio as often as it may"),
        (ComposioUnavailableError(Trouble.NETWORK, "x"), "Composio did not answer"),
        (ComposioUnavailableError(Trouble.TIMEOUT, "x"), "Composio did not answer in time"),
        (StorageUnavailableError("ab12"), "something is wrong with this bot's database"),
    ],
)
async def test_it_says_why_where_that_is_known(error: IntegrationError, words: str) -> None:
    stale = context()
    stale.freshness.failed([USER], error)

    assert f"{STALE}: {words}" in written(await listed(stale)).splitlines()
    assert f"{STALE}: {words}." in written(await refused(stale))


async def test_it_says_that_a_sudden_loss_is_looked_at_again() -> None:
    stale = context()
    stale.freshness.suspected(USER)

    said = "Composio shows none of what was connected; it is looked at once more"
    assert f"{STALE}: {said}" in written(await listed(stale)).splitlines()


async def test_it_says_that_the_bot_has_only_just_started() -> None:
    started = context_over(Behind(mirror(BROKEN)), freshness=Freshness(900, lambda: NOON + timedelta(days=1)))

    assert f"{STALE}: the bot has only just started" in written(await listed(started)).splitlines()


async def test_before_the_first_time_the_list_says_what_to_press() -> None:
    told = written(overview.page(context_over(Behind(mirror()), DEFAULT), mirror(synced_at=None)))

    assert "Never synced; press **Sync from Composio** to see what is connected" in told
