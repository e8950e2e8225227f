"""Which Composio user a server's integrations belong to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.mirror.errors import NotAllowedHereError, SettingsError
from cogs.integrations.mirror.tenancy import Tenancy


def test_a_shared_user_is_the_same_in_every_named_server() -> None:
    tenancy = Tenancy("peterbot-user", frozenset({1, 2}))

    assert [tenancy.composio_user_id(1), tenancy.composio_user_id(2)] == ["peterbot-user", "peterbot-user"]


def test_a_shared_user_is_not_for_other_servers() -> None:
    with pytest.raises(NotAllowedHereError):
        Tenancy("peterbot-user", frozenset({1})).composio_user_id(2)


def test_a_shared_user_without_servers_is_refused_with_both_ways_out() -> None:
    with pytest.raises(SettingsError) as caught:
        Tenancy("peterbot-user")

    message = str(caught.value)
    assert message.startswith("INTEGRATIONS_GUILD_IDS is missing: ")
    assert "'peterbot-user'" in message
    assert "put {guild_id} into INTEGRATIONS_COMPOSIO_USER_ID" in message
    assert "\n" not in message


def test_each_server_can_have_its_own_user() -> None:
    assert Tenancy("team-{guild_id}").composio_user_id(42) == "team-42"


def test_a_placeholder_that_stands_twice_is_filled_twice() -> None:
    assert Tenancy("{guild_id}:{guild_id}").composio_user_id(42) == "42:42"


def test_servers_with_a_user_of_their_own_can_be_limited_to_named_ones() -> None:
    tenancy = Tenancy("team-{guild_id}", frozenset({1}))

    assert tenancy.composio_user_id(1) == "team-1"
    with pytest.raises(NotAllowedHereError):
        tenancy.composio_user_id(2)


@pytest.mark.parametrize(
    "tenancy", [Tenancy("peterbot-user", frozenset({1})), Tenancy("team-{guild_id}")], ids=["shared", "own"]
)
def test_there_are_no_integrations_outside_of_servers(tenancy: Tenancy) -> None:
    with pytest.raises(NotAllowedHereError):
        tenancy.composio_user_id(None)


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1))
@settings(max_examples=50, deadline=None)
def test_two_servers_with_users_of_their_own_never_share_one(one: int, other: int) -> None:
    tenancy = Tenancy("team-{guild_id}")

    assert (tenancy.composio_user_id(one) == tenancy.composio_user_id(other)) is (one == other)


@pytest.mark.parametrize(
    ("tenancy", "user", "expected"),
    [
        (Tenancy("team", frozenset({1})), "team", True),
        (Tenancy("team", frozenset({1})), "team-1", False),
        (Tenancy("team-{guild_id}"), "team-42", True),
        (Tenancy("team-{guild_id}"), "team-042", False),
        (Tenancy("team-{guild_id}"), "team-", False),
        (Tenancy("team-{guild_id}"), "team-42-more", False),
        (Tenancy("team.{guild_id}"), "team-42", False),
        (Tenancy("{guild_id}:{guild_id}"), "42:42", True),
        (Tenancy("{guild_id}:{guild_id}"), "42:43", False),
        (Tenancy("team-{guild_id}", frozenset({1})), "team-1", True),
        (Tenancy("team-{guild_id}", frozenset({1})), "team-2", False),
    ],
)
def test_a_composio_user_is_known_to_be_of_one_of_the_servers(tenancy: Tenancy, user: str, expected: bool) -> None:
    assert tenancy.has(user) is expected
