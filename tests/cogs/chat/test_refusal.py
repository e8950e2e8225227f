"""What a person is told when a host's command needs an app that may not be used; hosts are in `tests.hosts`."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.findings import Finding
from storage.integrations import Integration, State, Verdict
from tests.cogs.chat.scenes import refused, unproved
from tests.cogs.chat.stage import ADMIN, BROKEN, GMAIL, MANAGER, MEMBER, NOON, USER, WORKS, buttons_of, mirror

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


async def test_what_was_switched_off_while_it_was_tried_is_refused() -> None:
    finding = Finding(GMAIL, replace(WORKS, enabled=False), Verdict.WORKS, "anna@example.com")

    answer = await unproved(DEFAULT, finding, MANAGER)

    assert answer.text == OFF
    assert buttons_of(answer) == ["Enable"]


async def test_of_two_accounts_the_other_one_is_still_to_be_tried() -> None:
    answer = await unproved(DEFAULT, Finding(GMAIL, WORKS, Verdict.REFUSED), MEMBER)

    assert answer.text == (
        "🟠 This needs Gmail to be proved to work, "
        "but it refused one account when that was tried: try again for the other one."
    )
