"""What people read: words for everything, nothing that others wrote taken for ours, and Discord's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations import embeds, errors, views, words
from cogs.integrations.catalog import DEFAULT, Catalog, Provider
from cogs.integrations.composio import Account
from cogs.integrations.errors import (
    ComposioBusyError,
    ComposioRefusedError,
    ComposioUnavailableError,
    IntegrationError,
    MissingRightError,
    NotAllowedHereError,
    NotConnectedError,
    OldButtonError,
    Right,
    StorageUnavailableError,
    TooSoonError,
    Trouble,
    UnknownProviderError,
)
from cogs.integrations.plan import Change, Plan
from cogs.integrations.results import RevokeReceipt, SyncReport
from cogs.integrations.revoke import AccountReceipt, Outcome
from storage.integrations import Action, Condition, Event, EventOutcome, Integration, Mirror, State

USER = "peterbot-user"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DASHBOARD = "https://app.composio.dev/accounts"
GMAIL = DEFAULT.by_id["gmail"]
WORKS = Integration(USER, "gmail", State.CONNECTED, account_id="ca_1", account_name="work-gmail", since=NOON)
BROKEN = replace(WORKS, state=State.NEEDS_RECONNECT, status="EXPIRED")


def provider(id: str = "jira", label: str = "Jira", **more: Any) -> Provider:  # noqa: A002 – the field's own name
    return Provider(id=id, label=label, **{"category": "Work", "description": "Needed for tickets"} | more)


def account(number: int = 1, status: str = "ACTIVE", name: str = "work-gmail") -> Account:
    return Account(f"ca_{number}", "gmail", status, NOON, NOON, name=name)


def event(provider: str, **more: Any) -> Event:
    happened = Event(NOON, USER, provider, Action.SYNC, Condition.CONNECTED, Condition.NEEDS_RECONNECT)
    return replace(happened, **more)


def mirror(*rows: Integration) -> Mirror:
    return Mirror(USER, NOON, 1, {row.provider: row for row in rows})


def text_of(embed: discord.Embed) -> str:
    """Everything in an embed that Discord renders as markdown."""
    parts = [embed.title, embed.description, *(part for f in embed.fields for part in (f.name, f.value))]
    return "\n".join(part for part in parts if part)


_ESCAPED = re.compile(r"\\([^0-9A-Za-z\s])")


def read(text: str) -> str:
    """What a person reads where markdown is rendered, as far as escapes go."""
    return _ESCAPED.sub(r"\1", text).replace("\u200b", "")


def active(text: str) -> str:
    """What Discord may still take for markup, once escapes have taken their character out of it."""
    return _ESCAPED.sub("·", text)


# Words for everything


@pytest.mark.parametrize(
    ("state", "enabled", "sign", "said"),
    [
        (State.CONNECTED, True, "🟢", "Connected"),
        (State.CONNECTED, False, "🟡", "Connected (disabled)"),
        (State.NEEDS_RECONNECT, True, "🟠", "Needs reconnecting"),
        (State.NEEDS_RECONNECT, False, "🟠", "Needs reconnecting"),
        (State.NOT_CONNECTED, True, "🔴", "Not connected"),
        (State.NOT_CONNECTED, False, "🔴", "Not connected"),
    ],
)
def test_every_state_has_a_sign_and_the_same_in_words(state: State, enabled: bool, sign: str, said: str) -> None:
    row = Integration(USER, "gmail", state, enabled)

    assert (words.indicator(row), words.status(row)) == (sign, said)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("state", State)
def test_a_sign_never_stands_without_its_words(state: State, enabled: bool) -> None:
    row = Integration(USER, "gmail", state, enabled)
    shown = [words.line(GMAIL, row), words.choice(GMAIL, row), text_of(embeds.card(GMAIL, mirror(row)))]

    for text in shown:
        assert words.indicator(row) in text
        assert words.status(row) in text


ERRORS: list[IntegrationError] = [
    ComposioRefusedError("status 401"),
    ComposioBusyError(None),
    ComposioBusyError(8.0),
    *(ComposioUnavailableError(trouble, "status 500, request req_1") for trouble in Trouble),
    StorageUnavailableError("1a2b3c4d"),
    NotAllowedHereError(),
    *(MissingRightError(right) for right in Right),
    UnknownProviderError("gmial"),
    UnknownProviderError("gmial", ("Gmail", "Linear")),
    *(NotConnectedError("Gmail", state) for state in State),
    TooSoonError(3.2),
    OldButtonError(),
]


def leaves(base: type[IntegrationError]) -> Iterator[type[IntegrationError]]:
    for child in base.__subclasses__():
        if child.__subclasses__():
            yield from leaves(child)
        elif child.__module__ == errors.__name__:
            yield child


def test_every_error_is_tried_below() -> None:
    assert {type(error) for error in ERRORS} == set(leaves(IntegrationError))


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_error_has_a_sentence_for_people(error: IntegrationError) -> None:
    said = words.for_error(error)

    assert re.fullmatch(r"[A-Z“].+(\.|\?|`)", said)
    assert type(error).__name__ not in said
    assert "None" not in said


def test_no_two_errors_are_told_in_the_same_words() -> None:
    said = [words.for_error(error) for error in ERRORS]

    assert len(set(said)) == len(said)


@pytest.mark.parametrize("trouble", Trouble)
def test_the_detail_of_a_trouble_is_for_the_log_alone(trouble: Trouble) -> None:
    assert "req_1" not in words.for_error(ComposioUnavailableError(trouble, "status 500, request req_1"))


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ComposioRefusedError(), "`COMPOSIO_API_KEY`"),
        (ComposioBusyError(8.0), "in 8 seconds"),
        (ComposioBusyError(0.2), "in 1 second."),
        (ComposioBusyError(240.0), "in 4 minutes"),
        (TooSoonError(3.2), "in 3 seconds"),
        (StorageUnavailableError("1a2b3c4d"), "`1a2b3c4d`"),
        (MissingRightError(Right.MANAGE_SERVER), "**Manage Server**"),
        (MissingRightError(Right.ADMINISTRATOR), "administrator"),
        (UnknownProviderError("gmial", ("Gmail", "Linear")), "**Gmail** or **Linear**"),
        (NotConnectedError("Gmail", State.NOT_CONNECTED), "Gmail is not connected"),
    ],
    ids=repr,
)
def test_a_sentence_says_what_helps(error: IntegrationError, part: str) -> None:
    assert part in words.for_error(error)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_of_a_revocation_has_a_sign_and_words(outcome: Outcome) -> None:
    line = words.receipt_line(AccountReceipt(account(), outcome), "Gmail", DASHBOARD)

    assert re.fullmatch(r"(✅|☑️|⏸️|❌) \*\*work\\-gmail\*\* · \w.{6,}", line)


def test_no_two_outcomes_of_a_revocation_read_the_same() -> None:
    lines = [words.receipt_line(AccountReceipt(account(), outcome), "Gmail", DASHBOARD) for outcome in Outcome]

    assert len(set(lines)) == len(lines)


def test_a_failed_revocation_says_why() -> None:
    receipt = AccountReceipt(account(), Outcome.STILL_CONNECTED, ComposioUnavailableError(Trouble.TIMEOUT, "x"))

    assert "Composio did not answer in time." in words.receipt_line(receipt, "Gmail", DASHBOARD)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("outcome", EventOutcome)
def test_everything_that_can_happen_has_words(action: Action, condition: Condition, outcome: EventOutcome) -> None:
    line = words.event_line(event("gmail", action=action, after=condition, outcome=outcome), "Gmail")

    assert re.match(r"<t:1795348800:f> · \*\*Gmail\*\*: 🟢 Connected → \S+ [A-Z][a-z]+", line)
    assert re.search(r"\n-# [A-Z][a-z]+ by the bot itself", line)


def test_two_things_that_happen_are_never_told_in_the_same_words() -> None:
    lines = {
        words.event_line(event("gmail", action=action, after=condition, outcome=outcome), "Gmail")
        for action in Action
        for condition in Condition
        for outcome in EventOutcome
    }

    assert len(lines) == len(Action) * len(Condition) * len(EventOutcome)


# Reasons


@pytest.mark.parametrize(
    ("status", "said", "plain"),
    [
        ("EXPIRED", "Permanent auth error during token refresh", "Gmail no longer accepts this access"),
        ("FAILED", "Max auth failures reached", "Gmail refused this access too many times"),
        ("INACTIVE", "Connection status updated by user", "It was switched off in Composio"),
        ("REVOKED", "Revoked via user-initiated revoke endpoint", "This access was revoked in Composio"),
        ("EXPIRED", None, "This access has run out"),
        ("FAILED", None, "Connecting Gmail failed"),
        ("REVOKED", None, "This access was revoked"),
        ("INACTIVE", "", "It is switched off in Composio"),
        ("EXPIRED", "The workspace was archived", "This access has run out: The workspace was archived"),
        ("FAILED", "OAuth error 401, try again.", "Connecting Gmail failed: OAuth error 401, try again."),
        ("PAUSED", None, "Composio reports “PAUSED”"),
        (None, None, "Composio reports “unknown”"),
    ],
)
def test_a_reason_is_told_in_plain_words(status: str | None, said: str | None, plain: str) -> None:
    assert words.reason(replace(BROKEN, status=status, reason=said), "Gmail") == plain


@pytest.mark.parametrize(
    "said",
    [
        '{"error": "invalid_grant"}',
        "[1, 2]",
        "See https://evil.example/login",
        "see http://x.io",
        "www.evil.example asked for it",
        "go to evil.io now",
        "refused by 10.0.0.1",
        "jane@example.com left",
        "jane(at)example.com left",
        "token ya29.a0AfH6SMBx expired",
        "Bearer eyJhbGciOiJIUzI1NiJ9",
        "key sk_live_4eC39HqLyj",
        "key AKIAIOSFODNN7EXAMPLE",
        "key ghp16C7e42F2",
        "key deadbeefdeadbeef",
        "key 3f2504e0-4f89-11d3",
        "code 493021",
        "secret aGVsbG8=",
        "xoxb-12-abc was revoked",
        "/var/lib/composio",
        "a  b",
        "one\ntwo",
        "no " * 30,
    ],
)
def test_what_may_be_an_address_a_token_or_a_body_is_never_shown(said: str) -> None:
    assert words.reason(replace(BROKEN, reason=said), "Gmail") == "This access has run out"


@given(st.from_regex(r"[A-Za-z0-9_.+/=-]{20,60}", fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_nothing_as_long_as_a_token_is_ever_shown(token: str) -> None:
    row = replace(BROKEN, reason=f"The token {token} was refused")

    assert words.reason(row, "Gmail") == "This access has run out"


# What others wrote stands for itself

VISIBLE = st.characters(exclude_categories=["C", "Z"])
HOSTILE = [
    "[Free Nitro](https://evil.example)",
    "https://evil.example/a_b_c",
    "steam://run",
    "<https://evil.example>",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "<#123456789012345678>",
    "</revoke:123456789012345678>",
    "<:x:123456789012345678>",
    "<t:0:R>",
    "@everyone",
    "@here",
    "**_bold_** ~~gone~~ ||hidden||",
    "`code` ```block```",
    "# Title",
    "-# small",
    "- point",
    "> quote",
    "\\",
    "\\[a](b)",
    "back\\*slash",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_others_wrote_is_read_exactly_as_they_wrote_it(text: str) -> None:
    assert read(words.clean(text)) == text


@given(st.text(st.one_of(st.sampled_from("\\[]()<>@#*_~|`-:/ "), VISIBLE), max_size=30))
@settings(max_examples=150, deadline=None)
def test_no_text_changes_by_being_cleaned(text: str) -> None:
    assert read(words.clean(text)) == text


MARKUP = re.compile(r"[\[\]()<>*_~|`#]|@(everyone|here)|\w://|^-")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_what_others_wrote_is_markup_a_mention_or_a_link(text: str) -> None:
    assert MARKUP.search(active(words.clean(text))) is None


@given(st.text(st.sampled_from("\\[]()<>@#*_~|`-:/ehvry"), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_markup_gets_through(text: str) -> None:
    assert MARKUP.search(active(words.clean(text))) is None


OURS = re.compile(r"<t:-?\d+:\w>|\[see Composio\]\(https://app\.composio\.dev/accounts\)")
FORBIDDEN = re.compile(r"\]\(|<[@#:/t]|@(everyone|here)|\w://")


def everything(text: str) -> Iterator[discord.Embed]:
    """Every embed there is, with *text* wherever others may write."""
    app = provider("jira", text, category=text, description=text, steps=(text,))
    catalog = Catalog((app,))
    works = replace(WORKS, provider="jira", account_name=text)
    broken = replace(works, state=State.NEEDS_RECONNECT, status="FAILED", reason=text)
    for row in (works, broken, replace(broken, status=text)):
        yield embeds.overview(catalog, mirror(row)).embed
        yield embeds.card(app, mirror(row), notice=words.switched(app, row, changed=True))
        yield discord.Embed(description=words.verdict(app, row) + words.guarded(app, row))
        yield embeds.history(catalog, app, [event("jira", status=row.status, reason=text)], 1)
        yield embeds.sync_report(
            catalog, SyncReport(Plan(added=("jira",), attention=(row,), unknown_toolkits=(text,)), NOON, ("jira",))
        )
    yield embeds.howto(app, USER)
    yield embeds.confirmation(app, [account(name=text, status=text)], USER)
    for outcome in Outcome:
        receipt = RevokeReceipt((AccountReceipt(account(name=text), outcome),), None, (account(2),))
        yield embeds.receipt(app, receipt, DASHBOARD)
    yield discord.Embed(description=words.nothing_to_revoke(app))
    yield discord.Embed(description=words.for_error(UnknownProviderError(text, (text,))))
    yield discord.Embed(description=words.for_error(NotConnectedError(text, State.NOT_CONNECTED)))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_embed_holds_a_link_or_mention_that_others_wrote(text: str) -> None:
    for embed in everything(text):
        # Inside a code span nothing is markup.
        shown = re.sub(r"`[^`]*`", "", OURS.sub("", active(text_of(embed))))
        assert FORBIDDEN.search(shown) is None


@pytest.mark.parametrize("text", ["Foo_Bar", "A-B", "C#", "(x)"])
def test_no_embed_escapes_what_others_wrote_twice(text: str) -> None:
    for embed in everything(text):
        assert "\\" not in read(text_of(embed))


def test_a_toolkit_that_is_shown_as_code_has_no_backslashes() -> None:
    report = SyncReport(Plan(unknown_toolkits=("microsoft_teams", "a`b")), NOON)

    assert "`microsoft_teams`, `ab`" in text_of(embeds.sync_report(DEFAULT, report))


# Discord's limits, counted in UTF-16 as its clients do

TITLE, DESCRIPTION, FIELDS, NAME, VALUE, FOOTER, TOTAL = 256, 4096, 25, 256, 1024, 2048, 6000


def units(text: str | None) -> int:
    return len((text or "").encode("utf-16-le")) // 2


def assert_fits(embed: discord.Embed) -> None:
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


LONG = ["*", "😀", "@here", "@everyone ", "[a](b)", "\\", "Ω", "<@123456789012345678>", "word "]
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
    return catalog, replace(mirror(*found), synced_at=draw(st.sampled_from([None, NOON])))


@st.composite
def many_accounts(draw: st.DrawFn) -> list[Account]:
    name = filled(draw(long_texts), 100)
    status = draw(st.sampled_from(["ACTIVE", "INITIATED", filled("W😀", 64)]))
    return [account(number, status, name) for number in range(draw(st.sampled_from([1, 2, 40, 900])))]


every_world = settings(max_examples=40, deadline=None)
NOTICE = words.for_error(ComposioUnavailableError(Trouble.UNSTABLE, "")) + " " + words.known_at(mirror())


@given(worlds(), st.sampled_from([None, NOTICE]))
@every_world
def test_every_page_of_every_list_fits(world: tuple[Catalog, Mirror], notice: str | None) -> None:
    first = embeds.overview(*world, notice=notice)

    for number in range(1, first.pages + 1):
        assert_fits(embeds.overview(*world, number, notice=notice).embed)


@given(worlds())
@every_world
def test_the_pages_hold_every_provider_exactly_once_in_the_order_of_the_categories(
    world: tuple[Catalog, Mirror],
) -> None:
    catalog, stored = world
    pages = [embeds.overview(catalog, stored, n) for n in range(1, embeds.overview(*world).pages + 1)]

    assert [each for page in pages for each in page.providers] == [
        each for providers in catalog.categories.values() for each in providers
    ]
    assert all(1 <= len(page.providers) <= 25 for page in pages)


@given(worlds())
@every_world
def test_every_card_fits(world: tuple[Catalog, Mirror]) -> None:
    catalog, stored = world
    shown = catalog.providers[0]

    assert_fits(embeds.card(shown, stored))
    assert_fits(embeds.card(shown, stored, notice=words.switched(shown, stored.get(shown.id), changed=False)))


@given(worlds(), long_texts, st.sampled_from([0, 1, 300]), st.booleans())
@every_world
def test_every_report_of_a_sync_fits(
    world: tuple[Catalog, Mirror], slug: str, unknown: int, everything_at_once: bool
) -> None:
    catalog, stored = world
    ids = tuple(each.id for each in catalog.providers)
    plan = Plan(
        added=ids if everything_at_once else ids[0::3],
        removed=ids if everything_at_once else ids[1::3],
        unchanged=ids if everything_at_once else ids[2::3],
        attention=tuple(stored.rows.values()),
        unknown_toolkits=tuple(filled(slug, 255, str(number)) for number in range(unknown)),
    )

    assert_fits(embeds.sync_report(catalog, SyncReport(plan, NOON, ids[::2])))


@given(catalogs(), st.sampled_from([USER, "😀" * 200, "9" * 200]))
@every_world
def test_every_instruction_fits(catalog: Catalog, user_id: str) -> None:
    assert_fits(embeds.howto(catalog.providers[-1], user_id))


@given(catalogs(), many_accounts(), st.sampled_from([USER, "😀" * 200]))
@every_world
def test_every_confirmation_fits(catalog: Catalog, accounts: list[Account], user_id: str) -> None:
    assert_fits(embeds.confirmation(catalog.providers[0], accounts, user_id))
    assert len(words.confirm_button(accounts)) <= 80


@given(catalogs(), many_accounts(), st.sampled_from(Outcome), st.booleans())
@every_world
def test_every_receipt_fits(catalog: Catalog, accounts: list[Account], outcome: Outcome, stored: bool) -> None:
    error = ComposioUnavailableError(Trouble.UNSTABLE, "")
    entries = tuple(AccountReceipt(each, outcome, error) for each in accounts)
    result = RevokeReceipt(entries, WORKS if stored else None, tuple(accounts))
    dashboard = "https://x.example/".ljust(512, "a")

    assert_fits(embeds.receipt(catalog.providers[0], result, dashboard))


@given(worlds(), st.sampled_from(EventOutcome), st.sampled_from(Action))
@every_world
def test_every_page_of_the_history_fits(
    world: tuple[Catalog, Mirror], outcome: EventOutcome, action: Action
) -> None:
    catalog, stored = world
    events = [
        event(row.provider, action=action, outcome=outcome, person_id=2**64, status=row.status, reason=row.reason)
        for row in stored.rows.values()
    ][: embeds.HISTORY_PAGE]

    assert_fits(embeds.history(catalog, catalog.providers[0], events, 1))


def test_a_receipt_without_accounts_still_says_what_happened() -> None:
    embed = embeds.receipt(GMAIL, RevokeReceipt((), WORKS), DASHBOARD)

    assert embed.title == "Gmail revoked"
    assert_fits(embed)


def test_a_hundred_and_twenty_providers_fill_five_pages() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"App {n}", category=f"Category {n % 6}") for n in range(120)))
    pages = [embeds.overview(catalog, mirror(), number) for number in range(1, 6)]

    assert [page.pages for page in pages] == [5] * 5
    assert [len(page.providers) for page in pages] == [25, 25, 25, 25, 20]
    assert sorted(each.id for page in pages for each in page.providers) == sorted(catalog.by_id)
    assert [page.embed.footer.text for page in pages] == [f"Page {n} of 5 · 120 integrations" for n in range(1, 6)]


def test_every_line_of_a_page_is_shown_under_its_category() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"App {n}", category=f"Category {n % 6}") for n in range(120)))

    for number in range(1, 6):
        page = embeds.overview(catalog, mirror(), number)
        fields = [(field.name, line) for field in page.embed.fields for line in (field.value or "").split("\n")]
        assert fields == [(each.category, f"🔴 **{each.label}** · Not connected") for each in page.providers]


@pytest.mark.parametrize(("asked", "shown"), [(0, 1), (-5, 1), (2, 2), (6, 5), (10**30, 5)])
def test_a_page_that_does_not_exist_is_the_nearest_one_that_does(asked: int, shown: int) -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"App {n}") for n in range(120)))

    assert embeds.overview(catalog, mirror(), asked).number == shown


def test_a_change_of_state_moves_no_provider_to_another_page() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", "😀" * 40 + f" {n}") for n in range(120)))
    full = [
        replace(WORKS, provider=each.id, account_name="_" * 100, usable_accounts=2) for each in catalog.providers
    ]

    for number in range(1, embeds.overview(catalog, mirror()).pages + 1):
        before = embeds.overview(catalog, mirror(), number)
        assert embeds.overview(catalog, mirror(*full), number).providers == before.providers


def test_names_that_do_not_fit_a_report_are_counted() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"Application number {n}") for n in range(200)))
    report = SyncReport(Plan(added=tuple(catalog.by_id)), NOON)

    [field] = embeds.sync_report(catalog, report).fields

    *names, last = (field.value or "").split(", ")
    assert last == f"… and {200 - len(names)} more"
    assert names == [f"Application number {n}" for n in range(len(names))]
    assert len(names) > 20


def test_many_unknown_toolkits_are_counted_and_still_explained() -> None:
    report = SyncReport(Plan(unknown_toolkits=tuple(f"toolkit_{n:03}" for n in range(300))), NOON)

    [field] = embeds.sync_report(DEFAULT, report).fields

    assert re.search(r"`toolkit_\d+`, … and \d+ more: connected at Composio, but not an app", field.value or "")


def test_accounts_that_do_not_fit_a_confirmation_are_counted() -> None:
    accounts = [account(number) for number in range(900)]

    description = embeds.confirmation(GMAIL, accounts, USER).description or ""

    shown = description.count("**work")
    assert description.endswith(f"\n… and {900 - shown} more")
    assert shown > 40


# Reports


def test_a_sync_that_changes_nothing_says_so_and_keeps_the_numbers() -> None:
    embed = embeds.sync_report(DEFAULT, SyncReport(Plan(unchanged=("gmail", "github")), NOON))

    assert (embed.title, embed.description) == ("Already up to date", "Synced: 0 added, 0 removed, 2 unchanged")


def test_a_sync_counts_and_names_what_changed() -> None:
    plan = Plan(
        changes=(Change(Integration(USER, "gmail"), WORKS),),
        added=("gmail", "github", "notion"),
        removed=("linear",),
        unchanged=("googledocs", "google_drive"),
    )

    embed = embeds.sync_report(DEFAULT, SyncReport(plan, NOON))

    assert embed.title == "Synced: 3 added, 1 removed, 2 unchanged"
    assert [(field.name, field.value) for field in embed.fields] == [
        ("+ Added", "Gmail, GitHub, Notion"),
        ("- Removed", "Linear"),
        ("Unchanged", "Google Docs, Google Drive"),
    ]


# Components

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


@given(worlds())
@every_world
async def test_the_components_of_every_page_are_ones_that_discord_takes(world: tuple[Catalog, Mirror]) -> None:
    catalog, stored = world
    longest_link = "https://x.example/".ljust(512, "a")

    for number in range(1, embeds.overview(*world).pages + 1):
        page = embeds.overview(catalog, stored, number)
        assert_usable(views.list_view(page, stored, longest_link))


@given(worlds())
@every_world
async def test_the_components_of_every_card_and_instruction_are_ones_that_discord_takes(
    world: tuple[Catalog, Mirror],
) -> None:
    catalog, stored = world
    shown = catalog.providers[-1]

    assert_usable(views.card_view(shown, stored.get(shown.id), DASHBOARD))
    assert_usable(views.howto_view(shown, DASHBOARD))
    assert_usable(views.howto_button_view(shown, DASHBOARD))
    assert_usable(views.enable_view(shown))
    assert_usable(views.history_view(shown, 10**9, more=True))
    assert_usable(views.link_view(DASHBOARD))


@given(worlds())
@every_world
def test_every_suggestion_is_one_that_discord_takes(world: tuple[Catalog, Mirror]) -> None:
    catalog, stored = world

    for each in catalog.providers:
        assert 1 <= units(words.choice(each, stored.get(each.id))) <= 100


async def test_a_button_of_an_older_message_is_made_again_from_its_custom_id() -> None:
    app = provider("my-app_2")
    row = replace(WORKS, provider=app.id)
    made = [
        *views.list_view(embeds.overview(Catalog((app,)), mirror(row)), mirror(row), DASHBOARD).children,
        *views.card_view(app, row, DASHBOARD).children,
        *views.card_view(app, Integration(USER, app.id), DASHBOARD).children,
        *views.howto_view(app, DASHBOARD).children,
        *views.enable_view(app).children,
        *views.history_view(app, 2, more=True).children,
        *views.history_view(None, 2, more=True).children,
    ]
    ours = [item for item in made if isinstance(item, views.ActionButton | views.ManageSelect)]

    for item in ours:
        match = item.template.fullmatch(item.custom_id)
        assert match is not None
        again = await item.from_custom_id(cast("Any", None), item, match)
        assert again.custom_id == item.custom_id
    assert {type(item) for item in ours} == {views.ActionButton, views.ManageSelect}


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        (WORKS, ["Disable", "Revoke", "Open Composio"]),
        (replace(WORKS, enabled=False), ["Enable", "Revoke", "Open Composio"]),
        (BROKEN, ["How to connect", "Revoke", "Open Composio"]),
        (Integration(USER, "gmail"), ["How to connect", "Open Composio"]),
    ],
)
async def test_a_card_offers_what_its_state_allows(row: Integration, labels: list[str]) -> None:
    [buttons] = views.card_view(GMAIL, row, DASHBOARD).to_components()

    assert [button["label"] for button in buttons["components"]] == labels


async def test_a_list_of_one_page_has_no_buttons_to_turn_it() -> None:
    page = embeds.overview(DEFAULT, mirror())

    [buttons, _] = views.list_view(page, mirror(), DASHBOARD).to_components()

    assert [button["label"] for button in buttons["components"]] == ["Sync from Composio", "Open Composio"]


@pytest.mark.parametrize(("number", "disabled"), [(1, [True, False]), (3, [False, False]), (5, [False, True])])
async def test_a_list_can_be_turned_until_its_ends(number: int, disabled: list[bool]) -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"App {n}") for n in range(120)))
    page = embeds.overview(catalog, mirror(), number)

    [buttons, _] = views.list_view(page, mirror(), DASHBOARD).to_components()

    turn = buttons["components"][2:]
    assert [button["label"] for button in turn] == ["Previous", "Next"]
    assert [button["disabled"] for button in turn] == disabled
    assert [button["custom_id"].rpartition(":")[2] for button in turn] == [str(number - 1), str(number + 1)]
