"""Words for every state, and for why an account cannot be used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.chat.states import SIGNS, account, indicator, reason, status
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Condition, Integration, State
from tests.cogs.chat.scenes import carded, listed
from tests.cogs.chat.stage import BROKEN, USER, WORKS, mirror, written


@pytest.mark.parametrize(
    ("state", "enabled", "sign", "said"),
    [
        (State.CONNECTED, True, "🟢", "Connected"),
        (State.CONNECTED, False, "🟡", "Connected (disabled)"),
        (State.NEEDS_RECONNECT, True, "🟠", "Needs reconnecting"),
        (State.NEEDS_RECONNECT, False, "🟠", "Needs reconnecting"),
        (State.NOT_CONNECTED, True, "🔴", "Not connected"),
        (State.NOT_CONNECTED, False, "🔴", "Not connected"),
        (State.NEWER, True, "⚪", "Something newer than this bot knows"),
        (State.NEWER, False, "⚪", "Something newer than this bot knows"),
    ],
)
def test_every_state_has_a_sign_and_the_same_in_words(state: State, enabled: bool, sign: str, said: str) -> None:
    row = Integration(USER, "gmail", state, enabled)

    assert (indicator(row), status(row)) == (sign, said)


def test_no_two_conditions_have_the_same_sign() -> None:
    assert SIGNS.keys() == set(Condition)
    assert len(set(SIGNS.values())) == len(Condition)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("state", State)
async def test_a_sign_never_stands_without_its_words(state: State, enabled: bool) -> None:
    row = Integration(USER, "gmail", state, enabled)

    for answer in (listed(DEFAULT, mirror(row)), await carded(DEFAULT, mirror(row), "gmail")):
        assert indicator(row) in written(answer)
        assert status(row) in written(answer)


@pytest.mark.parametrize(
    ("usable", "said"), [(0, "work\\-gmail"), (1, "work\\-gmail"), (3, "work\\-gmail and 2 more")]
)
def test_an_account_is_told_with_how_many_more_there_are(usable: int, said: str) -> None:
    assert account(replace(WORKS, usable_accounts=usable)) == said


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
    assert reason(replace(BROKEN, status=status, reason=said), "Gmail") == plain


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
    assert reason(replace(BROKEN, reason=said), "Gmail") == "This access has run out"


@given(st.from_regex(r"[A-Za-z0-9_.+/=-]{20,60}", fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_nothing_as_long_as_a_token_is_ever_shown(token: str) -> None:
    row = replace(BROKEN, reason=f"The token {token} was refused")

    assert reason(row, "Gmail") == "This access has run out"
