"""Worlds in which every text is as long as it may be, for searches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st

from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import Catalog
from storage.integrations import Integration, Mirror, State
from tests.cogs.chat.stage import NOON, USER, account, mirror, provider

LONG = ["*", "😀", "@here", "@everyone ", "[a](b)", "\\", "Ω", "<@123456789012345678>", "word "]
VISIBLE = st.characters(exclude_categories=["C", "Z"])
long_texts = st.one_of(st.sampled_from(LONG), st.text(VISIBLE, min_size=1, max_size=20))


def filled(text: str, length: int, start: str = "") -> str:
    """Exactly *length* characters of *text*, unless it ends in a space."""
    return (start + text * length)[:length].strip()


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """From 1 to 200 providers, each text as long as it may be."""
    size = draw(st.one_of(st.integers(1, 200), st.integers(20, 60)))
    texts = draw(st.lists(long_texts, min_size=1, max_size=3))
    categories = draw(st.integers(1, size))
    steps = draw(st.integers(0, 8))
    return Catalog(
        tuple(
            provider(
                f"p{number}".ljust(50, "_"),
                filled(texts[number % len(texts)], 50, f"{number} "),
                category=filled(texts[-1], 50, f"{number % categories} "),
                description=filled(texts[0], 200),
                steps=(filled(texts[-1], 200),) * steps,
                required=number == 0,
            )
            for number in range(size)
        )
    )


@st.composite
def longest_rows(draw: st.DrawFn) -> Integration:
    return Integration(
        USER,
        "",
        draw(st.sampled_from(State)),
        enabled=draw(st.booleans()),
        account_name=filled(draw(long_texts), 100),
        usable_accounts=draw(st.sampled_from([0, 1, 2, 99_999])),
        status=draw(st.sampled_from(["EXPIRED", "FAILED", filled("W😀", 64)])),
        reason=draw(
            st.sampled_from([None, "Max auth failures reached", "word " * 24 + "word", filled("😀", 300)])
        ),
        since=draw(st.sampled_from([None, NOON, datetime.max.replace(tzinfo=UTC)])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Catalog, Mirror]:
    catalog = draw(catalogs())
    rows = draw(st.lists(longest_rows(), min_size=1, max_size=3))
    found = [replace(rows[n % len(rows)], provider=each.id) for n, each in enumerate(catalog.providers)]
    return catalog, mirror(*found, synced_at=draw(st.sampled_from([None, NOON])))


@st.composite
def many_accounts(draw: st.DrawFn) -> list[Account]:
    name = filled(draw(long_texts), 100)
    status = draw(st.sampled_from(["ACTIVE", "INITIATED", filled("W😀", 64)]))
    return [account(number, status, name) for number in range(draw(st.sampled_from([1, 2, 40, 900])))]


every_world = settings(max_examples=40, deadline=None)


def units(text: str | None) -> int:
    """The length as Discord's clients count it, in UTF-16."""
    return len((text or "").encode("utf-16-le")) // 2
