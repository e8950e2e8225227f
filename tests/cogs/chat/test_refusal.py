"""What a person is told when a host's command needs an app that may not be used; hosts are in `tests.hosts`."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State
from tests.cogs.chat.scenes import refused
from tests.cogs.chat.stage import ADMIN, BROKEN, MANAGER, MEMBER, USER, WORKS, buttons_of, mirror

OFF = (
    "🟡 This needs Gmail, which is switched off here. "
    "People with the permission **Manage Server** can switch it on."
)


@pytest.mark.parametrize(
    ("row", "permissions", "said", "buttons"),
    [
        (
            Integration(USER, "gmail"),
            MEMBER,
            "🔴 This needs Gmail, which is not connected.",
            ["How to connect", "Open Composio"],
        ),
        (
            BROKEN,
            MEMBER,
            "🟠 This needs Gmail, which needs reconnecting: This access has run out.",
            ["How to reconnect", "Open Composio"],
        ),
        (replace(WORKS, enabled=False), MEMBER, OFF, []),
        (replace(WORKS, enabled=False), MANAGER, OFF, ["Enable"]),
        (replace(WORKS, enabled=False), ADMIN, OFF, ["Enable"]),
        (
            replace(WORKS, state=State.NEWER),
            ADMIN,
            "⚪ This needs Gmail. Something newer than this bot knows.",
            ["How to connect", "Open Composio"],
        ),
    ],
)
async def test_a_refusal_says_why_and_offers_what_the_person_may_do(
    row: Integration, permissions: discord.Permissions, said: str, buttons: list[str]
) -> None:
    answer = await refused(DEFAULT, mirror(row), "gmail", permissions)

    assert answer.text == said
    assert buttons_of(answer) == buttons
