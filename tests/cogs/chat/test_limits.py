"""Discord's limits, counted in UTF-16 as its clients do, for everything that people are shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.limits import FIELD_VALUE, limited, packed
from cogs.integrations.chat.overview import page_of
from cogs.integrations.chat.text import size
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import Catalog
from cogs.integrations.mirror.connecting import Ended
from cogs.integrations.mirror.connecting import Outcome as HowItEnded
from cogs.integrations.mirror.errors import ComposioUnavailableError, Trouble
from cogs.integrations.mirror.plan import Plan
from cogs.integrations.mirror.results import RevokeReceipt
from cogs.integrations.mirror.revoke import AccountReceipt, Outcome
from storage.integrations import Action, Condition, Event, EventOutcome, Integration, Mirror, Proof, State, Verdict
from tests.cogs.chat.scenes import (
    LINK,
    all_findings,
    asked,
    asked_about_old,
    carded,
    instructed,
    listed,
    offered,
    refused,
    reported,
    revoked,
    told,
    unproved,
    verdict,
    verified,
)
from tests.cogs.chat.stage import NOON, USER, WORKS, account, event, mirror, provider
from tests.cogs.chat.worlds import catalogs, every_world, filled, long_texts, many_accounts, units, worlds

TITLE, DESCRIPTION, FIELDS, NAME, VALUE, FOOTER, TOTAL, CONTENT = 256, 4096, 25, 256, 1024, 2048, 6000, 2000


def assert_fits(answer: Answer) -> None:
    """What Discord asks of a message."""
    assert units(answer.text) <= CONTENT
    if answer.embed:
        assert_embed_fits(answer.embed)
    if answer.view and answer.view.children:
        assert_usable(answer.view)


def assert_embed_fits(embed: discord.Embed) -> None:
    assert units(embed.title) <= TITLE
    assert units(embed.description) <= DESCRIPTION
    assert units(embed.footer.text) <= FOOTER
    assert len(embed.fields) <= FIELDS
    for field in embed.fields:
        assert 1 <= units((field.name or "").strip()) <= NAME
        assert 1 <= units((field.value or "").strip()) <= VALUE
    parts = [embed.title, embed.description, embed.footer.text]
    parts += [part for field in embed.fields for part in (field.name, field.value)]
    assert sum(map(units, parts)) <= TOTAL


ROW, BUTTON, SELECT = 1, 2, 3


def assert_usable(view: discord.ui.View) -> None:
    """What Discord asks of a message's components."""
    rows = json.loads(json.dumps(view.to_components()))
    assert 1 <= len(rows) <= 5
    items = [item for row in rows for item in row["components"]]
    assert all(row["type"] == ROW and 1 <= len(row["components"]) <= 5 for row in rows)
    for item in items:
        assert item["type"] in (BUTTON, SELECT)
        assert 1 <= len(item.get("custom_id", "a link has none")) <= 100
        assert 1 <= units(item.get("label", "a select has none")) <= 80
        assert len(item.get("url", "")) <= 512
        assert ("url" in item) is (item.get("style") == discord.ButtonStyle.link.value)
    for row in rows:
        if any(item["type"] == SELECT for item in row["components"]):
            assert len(row["components"]) == 1
    custom_ids = [item["custom_id"] for item in items if "custom_id" in item]
    assert len(set(custom_ids)) == len(custom_ids)
    for select in (item for item in items if item["type"] == SELECT):
        assert_choosable(select["options"])


def assert_choosable(options: list[dict[str, Any]]) -> None:
    assert 1 <= len(options) <= 25
    assert len({option["value"] for option in options}) == len(options)
    for option in options:
        assert 1 <= units(option["label"].strip()) <= 100
        assert 1 <= units(option["value"]) <= 100
        assert 1 <= units(option["description"]) <= 100


NOTICE = "Composio did not answer the same twice: the accounts kept changing while they were read. " * 2


@given(worlds(), st.sampled_from([None, NOTICE]))
@every_world
async def test_every_page_of_every_list_fits(world: tuple[Catalog, Mirror], notice: str | None) -> None:
    for number in range(1, page_of(world[0], 1).pages + 1):
        assert_fits(listed(*world, number, notice=notice))


async def test_a_list_fits_whose_every_line_is_as_long_as_it_can_be() -> None:
    name = filled("*", 100)
    catalog = Catalog(
        tuple(
            provider(f"p{number}", filled("*", 50, f"{number} "), category=filled("*", 50, f"{number} "))
            for number in range(100)
        )
    )
    rows = [
        Integration(USER, one.id, State.CONNECTED, account_name=name, usable_accounts=99_999)
        for one in catalog.providers
    ]

    for number in range(1, page_of(catalog, 1).pages + 1):
        assert_fits(listed(catalog, mirror(*rows), number, notice=NOTICE))


@given(worlds())
@every_world
async def test_every_card_instruction_verdict_and_refusal_fits(world: tuple[Catalog, Mirror]) -> None:
    catalog, stored = world
    for name in {catalog.providers[0].id, catalog.providers[-1].id}:
        async for answer in about_one(catalog, stored, name):
            assert_fits(answer)


async def about_one(catalog: Catalog, stored: Mirror, name: str) -> AsyncIterator[Answer]:
    yield await carded(catalog, stored, name)
    yield await carded(catalog, stored, name, toggled=True)
    yield await instructed(catalog, stored, name)
    yield await verdict(catalog, stored, name)
    for url in (LINK.url, "https://x.example/".ljust(512, "a"), "https://x.example/".ljust(3000, "a")):
        yield await offered(catalog, stored, name, url=url)
    for how in HowItEnded:
        yield await offered(catalog, stored, name, ended=Ended(how, stored.get(name), (account(),) * 999))
    if stored.get(name).condition is not Condition.CONNECTED:
        yield await refused(catalog, stored, name)


@given(worlds(), long_texts)
@every_world
async def test_everything_that_a_check_says_fits(world: tuple[Catalog, Mirror], whom: str) -> None:
    catalog, stored = world
    owner = filled(whom, 200)
    found = [all_findings(one, stored.get(one.id), owner) for one in catalog.providers]
    for kind, finding in enumerate(found[0]):
        assert_fits(await verified(catalog, [finding], one=True))
        assert_fits(await verified(catalog, [each[kind] for each in found]))
        if finding.verdict is not Verdict.WORKS:
            assert_fits(await unproved(catalog, finding))
    proof = Proof(USER, catalog.providers[0].id, "ca_1", NOON, NOON, Verdict.WORKS, owner)
    assert_fits(await carded(catalog, stored, catalog.providers[0].id, proof=proof))


@given(worlds(), long_texts, st.sampled_from([0, 1, 300]), st.booleans())
@every_world
async def test_every_report_of_a_sync_fits(
    world: tuple[Catalog, Mirror], slug: str, unknown: int, everything_at_once: bool
) -> None:
    catalog, stored = world
    ids = tuple(each.id for each in catalog.providers)
    plan = Plan(
        added=ids if everything_at_once else ids[0::3],
        removed=ids if everything_at_once else ids[1::3],
        unchanged=ids if everything_at_once else ids[2::3],
        attention=tuple(stored.rows.values())[:: 1 if everything_at_once else 2],
        unknown_toolkits=tuple(filled(slug, 255, str(number)) for number in range(unknown)),
    )

    assert_fits(reported(catalog, plan, ids[::2]))


@given(catalogs(), many_accounts())
@every_world
async def test_every_question_before_a_revocation_fits(catalog: Catalog, accounts: list[Account]) -> None:
    assert_fits(await asked(catalog, accounts, catalog.providers[0].id))
    assert_fits(await asked_about_old(catalog, accounts, catalog.providers[0].id))


@given(catalogs(), many_accounts(), st.sampled_from(Outcome), st.booleans())
@every_world
async def test_every_receipt_fits(
    catalog: Catalog, accounts: list[Account], outcome: Outcome, stored: bool
) -> None:
    error = ComposioUnavailableError(Trouble.UNSTABLE, "")
    entries = tuple(AccountReceipt(each, outcome, error) for each in accounts)
    receipt = RevokeReceipt(entries, WORKS if stored else None, tuple(accounts))
    dashboard = "https://x.example/".ljust(512, "a")

    assert_fits(await revoked(catalog, receipt, catalog.providers[0].id, dashboard))


@given(worlds(), st.sampled_from(EventOutcome), st.sampled_from(Action), st.booleans())
@every_world
async def test_every_page_of_the_history_fits(
    world: tuple[Catalog, Mirror], outcome: EventOutcome, action: Action, filtered: bool
) -> None:
    catalog, stored = world
    rows = list(stored.rows.values())[:11]
    events = [long_event(row, action, outcome, day) for day, row in enumerate(rows)]

    assert_fits(await told(catalog, events, catalog.providers[0].id if filtered else None))


def long_event(row: Integration, action: Action, outcome: EventOutcome, day: int) -> Event:
    return event(
        row.provider,
        at=NOON.replace(day=22 - day),
        action=action,
        outcome=outcome,
        person_id=2**64,
        status=row.status,
        reason=row.reason,
    )


async def test_a_receipt_without_accounts_still_says_what_happened() -> None:
    catalog = Catalog((provider("gmail", "Gmail"),))

    answer = await revoked(catalog, RevokeReceipt((), WORKS), "gmail")

    assert answer.embed is not None
    assert answer.embed.title == "Gmail revoked"
    assert_fits(answer)


# How texts are cut


@given(st.lists(long_texts, max_size=60))
@settings(max_examples=100, deadline=None)
def test_lines_are_packed_in_their_order_into_texts_that_fit(lines: list[str]) -> None:
    texts = packed(lines, 40)

    assert all(size(text) <= 40 for text in texts)
    assert "\n".join(texts) == "\n".join(lines)


def test_a_line_that_is_too_long_for_a_field_is_shortened() -> None:
    [text] = packed(["x" * 2000])

    assert size(text) == FIELD_VALUE
    assert text.endswith("x…")


@pytest.mark.parametrize("separator", ["\n", ", "])
def test_what_does_not_fit_is_counted(separator: str) -> None:
    text = limited([f"Application number {n}" for n in range(200)], 900, separator)

    *names, last = text.split(separator)
    assert size(text) <= 900
    assert last == f"… and {200 - len(names)} more"
    assert names == [f"Application number {n}" for n in range(len(names))]
    assert len(names) > 20


def test_what_fits_is_not_touched() -> None:
    assert limited(["a", "b"], 3) == "a\nb"
