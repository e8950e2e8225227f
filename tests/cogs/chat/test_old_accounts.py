"""After a reconnect an administrator may remove the accounts that no longer work."""

from __future__ import annotations

from simcord.results import ResponseMessage

from tests.cogs.chat.test_connecting import connect, history, listed, polled, token_of
from tests.conftest import World, labels_of, message_of, synced, text


async def reconnected(world: World, who: str) -> ResponseMessage:
    """Linear had two accounts that died, and was connected again."""
    for account in (world.composio.connect("linear"), world.composio.connect("linear")):
        await synced(world)
        world.composio.expire(account.id)
    await synced(world)
    message = message_of(await connect(world, who=who))
    assert "Reconnect Linear" in text(message)
    world.composio.allow(token_of(message))
    await polled(world)
    return message


async def test_one_old_account_is_one(world: World) -> None:
    world.composio.expire(world.composio.connect("linear").id)
    message = message_of(await connect(world, who="admin"))
    world.composio.allow(token_of(message))
    await polled(world)

    question = message_of(await world.admin.click(message, label="Remove 1 old account"))
    assert "Remove 1 old Linear account?" in text(question)
    assert "This deletes this account at Composio. It no longer works, and" in text(question)
    await world.admin.click(question, label="Remove 1 account")

    assert text(question).startswith("1 old Linear account removed")


async def test_an_administrator_removes_what_no_longer_works_and_nothing_else(world: World) -> None:
    message = await reconnected(world, "admin")
    assert "2 old accounts no longer work." in text(message)

    question = message_of(await world.admin.click(message, label="Remove 2 old accounts"))
    assert "Remove 2 old Linear accounts?" in text(question)
    await world.admin.click(question, label="Remove 2 accounts")

    assert "2 old Linear accounts removed" in text(question)
    assert text(question).count("deleted; it was not active") == 2
    [left] = world.composio.accounts.values()
    assert left.status == "ACTIVE"
    assert "🟢 **Linear** · Connected" in await listed(world)
    assert "**Linear** 2 accounts removed, another works · ada" in await history(world)


async def test_what_works_again_since_the_question_stays(world: World) -> None:
    message = await reconnected(world, "admin")
    question = message_of(await world.admin.click(message, label="Remove 2 old accounts"))
    first, *others = [one for one in world.composio.accounts.values() if one.status == "EXPIRED"]
    world.composio.change(first.id, status="ACTIVE")

    await world.admin.click(question, label="Remove 2 accounts")

    assert first.id in world.composio.accounts
    assert not [one for one in others if one.id in world.composio.accounts]
    assert text(question).count("deleted") == 1


async def test_a_manager_is_not_offered_to_remove_them(world: World) -> None:
    message = await reconnected(world, "manager")

    assert "old account" not in text(message)
    assert labels_of(message) == []
