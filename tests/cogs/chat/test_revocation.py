"""Revoking, as people see it: the question, the receipt, and what the list says afterwards."""

from __future__ import annotations

import re

import pytest
from simcord.backend.errors import SetupError
from simcord.results import ResponseMessage

from bot.sandbox.faults import Refuse
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import ComposioError, ComposioUnavailableError, Trouble
from cogs.integrations.mirror.results import RevokeReceipt
from cogs.integrations.mirror.revoke import AccountReceipt, Outcome
from tests.cogs.chat.scenes import asked, revoked
from tests.cogs.chat.stage import WORKS, account, embed_of
from tests.conftest import World, card_of, labels, message_of, shown, synced, text

NO_RETRY = {"x-should-retry": "false"}


async def ask(world: World, provider: str) -> ResponseMessage:
    return message_of(await world.admin.slash(world.channel, "integrations revoke", provider=provider))


async def listed(world: World) -> str:
    return shown(await world.member.slash(world.channel, "integrations list"))


async def test_the_question_shows_the_accounts_that_are_there_now(world: World) -> None:
    world.composio.connect("github", alias="old")
    await synced(world)
    world.composio.connect("github", alias="new")

    result = await world.admin.slash(world.channel, "integrations revoke", provider="github")

    assert result.ephemeral
    assert "Revoke GitHub?" in shown(result)
    assert "**old** · active" in shown(result)
    assert "**new** · active" in shown(result)
    assert labels(result) == ["Revoke 2 accounts", "Cancel"]
    assert len(world.composio.accounts) == 2


async def test_every_account_is_revoked_and_then_deleted(world: World) -> None:
    first = world.composio.connect("github", alias="ci")
    second = world.composio.connect("github", alias="releases")
    world.composio.connect("gmail")
    await synced(world)
    question = await ask(world, "github")
    world.composio.requests.clear()

    await world.admin.click(question, label="Revoke 2 accounts")

    writes = [request.method for request in world.composio.requests if request.method != "GET"]
    assert writes == ["POST", "DELETE", "POST", "DELETE"]
    assert {first.id, second.id}.isdisjoint(world.composio.accounts)
    assert "GitHub revoked" in text(question)
    assert "✅ **ci** · revoked and deleted" in text(question)
    assert "✅ **releases** · revoked and deleted" in text(question)
    assert "🔴 **GitHub** · Not connected" in await listed(world)
    assert "🟢 **Gmail** · Connected" in await listed(world)


async def test_cancelling_leaves_everything(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    question = await ask(world, "github")

    await world.admin.click(question, label="Cancel")

    assert text(question) == "Cancelled. Nothing was revoked."
    assert question.components == []
    assert "🟢 **GitHub** · Connected" in await listed(world)


async def test_the_question_is_gone_after_a_minute(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    question = await ask(world, "github")

    await world.env.advance_time(61)

    assert text(question) == "No answer within a minute. Nothing was revoked."
    assert question.components == []
    assert len(world.composio.accounts) == 1


async def test_a_second_press_finds_no_button(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    question = await ask(world, "github")
    await world.admin.click(question, label="Revoke 1 account")

    with pytest.raises(SetupError):
        await world.admin.click(question, label="Revoke 1 account")


async def test_a_provider_that_cannot_be_revoked_is_deleted_and_says_where_to_go(world: World) -> None:
    world.composio.connect("linear", alias="team")
    world.composio.unrevocable.add("linear")
    await synced(world)
    question = await ask(world, "linear")

    await world.admin.click(question, label="Revoke 1 account")

    assert "☑️ **team** · deleted, but Linear access cannot be revoked from here" in text(question)
    assert "(https://app.composio.dev/accounts)" in text(question)
    assert world.composio.accounts == {}


async def test_an_account_that_went_meanwhile_was_already_gone(world: World) -> None:
    account = world.composio.connect("github", alias="ci")
    await synced(world)
    question = await ask(world, "github")
    world.composio.remove(account.id)

    await world.admin.click(question, label="Revoke 1 account")

    assert "✅ **ci** · was already gone" in text(question)


async def test_an_account_that_came_meanwhile_is_not_touched(world: World) -> None:
    world.composio.connect("github", alias="old")
    await synced(world)
    question = await ask(world, "github")
    new = world.composio.connect("github", alias="new")

    await world.admin.click(question, label="Revoke 1 account")

    assert "1 account appeared after you were asked and stayed." in text(question)
    assert list(world.composio.accounts) == [new.id]
    assert "🟢 **GitHub** · Connected · new" in await listed(world)


async def test_a_failure_in_the_middle_is_told_and_doing_it_again_finishes(world: World) -> None:
    for number in range(4):
        world.composio.connect("github", alias=f"account{number}")
    await synced(world)
    question = await ask(world, "github")
    world.composio.fail(Refuse(500, headers=NO_RETRY), method="POST", path="*/revoke", skip=2)

    await world.admin.click(question, label="Revoke 4 accounts")

    told = text(question)
    assert "GitHub: only partly revoked" in told
    assert told.count("revoked and deleted") == 2
    assert told.count("failed, still at Composio. Composio did not answer properly") == 1
    assert told.count("not tried") == 1
    assert "Revoke again to finish the job." in told
    assert len(world.composio.accounts) == 2
    assert "🟢 **GitHub** · Connected" in await listed(world)

    question = await ask(world, "github")
    await world.admin.click(question, label="Revoke 2 accounts")

    assert "GitHub revoked" in text(question)
    assert world.composio.accounts == {}
    assert "🔴 **GitHub** · Not connected" in await listed(world)


async def test_with_nothing_to_revoke_the_list_is_put_right(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    world.composio.remove(account.id)

    question = await ask(world, "github")

    assert "Composio has no GitHub account for this bot." in text(question)
    assert "🔴 **GitHub** · Not connected" in await listed(world)


async def test_when_composio_cannot_be_asked_nothing_is_offered(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    world.composio.fail(Refuse(503, headers=NO_RETRY))

    result = await world.admin.slash(world.channel, "integrations revoke", provider="github")

    assert result.ephemeral
    assert "Composio did not answer properly" in shown(result)
    assert "🟢 **GitHub** · Connected" in await listed(world)


async def test_a_cards_revoke_button_asks_like_the_command(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    card = message_of(await card_of(world, world.admin, "github"))

    question = await world.admin.click(card, label="Revoke")

    assert question.ephemeral
    assert "Revoke GitHub?" in shown(question)


# The words of the question and the receipt


async def line_of(outcome: Outcome, error: ComposioError | None = None) -> str:
    """What a receipt says of one account."""
    receipt = RevokeReceipt((AccountReceipt(account(), outcome, error),), WORKS)
    description = embed_of(await revoked(DEFAULT, receipt, "gmail")).description or ""
    return description.splitlines()[0]


@pytest.mark.parametrize("outcome", Outcome)
async def test_every_outcome_of_a_revocation_has_a_sign_and_words(outcome: Outcome) -> None:
    assert re.fullmatch(r"(✅|☑️|⏸️|❌) \*\*work\\-gmail\*\* · \w.{6,}", await line_of(outcome))


async def test_no_two_outcomes_of_a_revocation_read_the_same() -> None:
    lines = [await line_of(outcome) for outcome in Outcome]

    assert len(set(lines)) == len(lines)


async def test_a_failed_revocation_says_why() -> None:
    line = await line_of(Outcome.STILL_CONNECTED, ComposioUnavailableError(Trouble.TIMEOUT, "x"))

    assert "Composio did not answer in time." in line


async def test_accounts_that_do_not_fit_the_question_are_counted() -> None:
    accounts = [account(number) for number in range(900)]

    description = embed_of(await asked(DEFAULT, accounts, "gmail")).description or ""

    named = description.count("**work")
    assert description.endswith(f"\n… and {900 - named} more")
    assert named > 40
