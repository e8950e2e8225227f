"""What a person is told when a host's command needs an app that may not be used; hosts are in `tests.hosts`."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State
from tests.cogs.chat.scenes import refused
from tests.cogs.chat.stage import ADMIN, BROKEN, MANAGER, MEMBER, NOON, USER, WORKS, buttons_of, mirror

AGE = f"Checked <t:{int(NOON.timestamp())}:R>."
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
            f"🔴 This needs Gmail, which is not connected. {AGE}",
            ["How to connect", "Open Composio"],
        ),
        (
            BROKEN,
            MEMBER,
            f"🟠 This needs Gmail, which needs reconnecting: This access has run out. {AGE}",
            ["How to reconnect", "Open Composio"],
        ),
        (
            BROKEN,
            MANAGER,
            f"🟠 This needs Gmail, which needs reconnecting: This access has run out. {AGE}",
            ["Reconnect now", "How to reconnect", "Open Composio"],
        ),
        (replace(WORKS, enabled=False), MEMBER, OFF, []),
        (replace(WORKS, enabled=False), MANAGER, OFF, ["Enable"]),
        (replace(WORKS, enabled=False), ADMIN, OFF, ["Enable"]),
        (
            replace(WORKS, state=State.NEWER),
            ADMIN,
            "⚪ This needs Gmail. Something newer than this bot knows.",
            ["Connect now", "How to connect", "Open Composio"],
        ),
    ],
)
async def test_a_refusal_says_why_and_offers_what_the_person_may_do(
    row: Integration, permissions: discord.Permissions, said: str, buttons: list[str]
) -> None:
    answer = await refused(DEFAULT, mirror(row), "gmail", permissions)

    assert answer.text == said
    assert buttons_of(answer) == buttons


async def test_before_the_first_sync_a_refusal_has_no_age() -> None:
    answer = await refused(DEFAULT, mirror(synced_at=None), "gmail")

    assert answer.text == "🔴 This needs Gmail, which is not connected."
