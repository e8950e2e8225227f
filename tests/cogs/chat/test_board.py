"""What a board shows, and what of that is a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cogs.integrations.chat import board
from cogs.integrations.chat.standing import Shown
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import ComposioRefusedError
from cogs.integrations.mirror.freshness import Freshness
from storage.integrations import Mirror, State
from tests.cogs.chat.stage import BROKEN, DASHBOARD, NOON, WORKS, mirror, written

LATE = NOON + timedelta(hours=3)


def shown(stored: Mirror, now: datetime = NOON, mark: str = "", *, fails: bool = False) -> Shown:
    """The board at that time, of a process that began long before and checks every quarter of an hour."""
    times = iter([NOON - timedelta(days=1)])
    freshness = Freshness(900, lambda: next(times, now))
    if fails:
        freshness.failed(None, ComposioRefusedError())
    return board.render(DEFAULT, freshness, DASHBOARD, stored, mark)


# What it shows


def test_when_it_was_checked_is_shown_and_is_no_change() -> None:
    later = NOON + timedelta(minutes=20)

    first, second = shown(mirror(WORKS)), shown(mirror(WORKS, synced_at=later), later)

    assert f"Checked <t:{int(NOON.timestamp())}:R>" in written(first.answer)
    assert f"Checked <t:{int(later.timestamp())}:R>" in written(second.answer)
    assert first.digest == second.digest


def test_that_it_is_stale_is_a_change_and_why_is_none() -> None:
    fresh, stale, refused = (
        shown(mirror(WORKS)),
        shown(mirror(WORKS), LATE),
        shown(mirror(WORKS), LATE, fails=True),
    )

    assert len({fresh.digest, stale.digest}) == 2
    assert stale.digest == refused.digest
    assert "Composio refused the API key" in written(refused.answer)
    assert (fresh.fresh, fresh.stale_in) == (True, 2700)
    assert (stale.fresh, stale.stale_in) == (False, None)


@pytest.mark.parametrize(
    "changed",
    [
        BROKEN,
        replace(WORKS, enabled=False),
        replace(WORKS, account_name="another"),
        replace(WORKS, state=State.NEWER),
    ],
)
def test_whatever_people_see_of_an_app_is_a_change(changed: Any) -> None:
    assert shown(mirror(WORKS)).digest != shown(mirror(changed)).digest


def test_a_digest_is_short_enough_to_be_stored_and_the_mark_is_not_in_it() -> None:
    assert shown(mirror(WORKS)).digest == shown(mirror(WORKS), mark="5f").digest
    assert len(shown(mirror(WORKS)).digest) == 64


def test_before_the_first_sync_it_is_neither_fresh_nor_stale() -> None:
    never = shown(mirror(synced_at=None), LATE)

    assert "Never synced" in written(never.answer)
    assert (never.fresh, never.stale_in) == (False, None)


def test_the_mark_is_in_a_button() -> None:
    view = shown(mirror(WORKS), mark="5f").answer.view
    assert view is not None

    assert "integrations:resync:5f" in str(view.to_components())
