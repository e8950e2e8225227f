"""What is said of a link, and of what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import discord
import pytest

from cogs.integrations.chat import alerts, connect, howto, revocation
from cogs.integrations.chat.answer import Answer
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.connecting import Ended, Outcome
from cogs.integrations.mirror.errors import MissingRightError, OldButtonError
from storage.integrations import Action, Condition, EventOutcome, Integration
from tests.cogs.chat.scenes import LINK, asked_about_old, offered, told
from tests.cogs.chat.stage import (
    ADMIN,
    BROKEN,
    MANAGER,
    MEMBER,
    USER,
    WORKS,
    Behind,
    Kept,
    Offered,
    account,
    buttons_of,
    context_over,
    embed_of,
    event,
    mirror,
    written,
)
from tests.conftest import GUILD_ID

MISSING = mirror(Integration(USER, "gmail"))
OLD = (account(2, "EXPIRED"), account(3, "FAILED"))


def urls(answer: Answer) -> list[str]:
    """Where the answer's link buttons lead."""
    assert answer.view is not None
    items = [item for row in answer.view.to_components() for item in row["components"]]
    return [item["url"] for item in items if "url" in item]


async def test_the_link_comes_with_what_it_does_and_a_warning() -> None:
    answer = await offered(DEFAULT, MISSING, "gmail")

    said = written(answer)
    assert embed_of(answer).title == "Connect Gmail"
    assert "for **this whole server**" in said
    assert "Whoever opens the link connects **their own** account: do not pass it on." in said
    assert f"The link runs out <t:{int(LINK.expires_at.timestamp())}:R>." in said
    assert "already" not in said
    assert buttons_of(answer) == ["Open the link", "How to connect by hand"]
    assert urls(answer) == [LINK.url]
    assert LINK.url not in said


async def test_servers_that_share_the_apps_are_counted() -> None:
    said = written(await offered(DEFAULT, MISSING, "gmail", guild_ids=frozenset({GUILD_ID, 2, 3})))

    assert "for **all 3 servers that share these integrations**" in said


async def test_what_was_connected_once_is_reconnected_and_what_works_gets_another_account() -> None:
    assert embed_of(await offered(DEFAULT, mirror(BROKEN), "gmail")).title == "Reconnect Gmail"

    said = written(await offered(DEFAULT, mirror(WORKS), "gmail"))
    assert "Gmail is connected already. This adds another account, and the newest one is used." in said


@pytest.mark.parametrize(("length", "button"), [(512, True), (513, False)])
async def test_a_link_that_is_too_long_for_a_button_stands_in_the_text(length: int, button: bool) -> None:
    url = "https://connect.example/".ljust(length, "a")

    answer = await offered(DEFAULT, MISSING, "gmail", url=url)

    assert (urls(answer) == [url]) is button
    assert (f"**[Open the link]({url})**" in written(answer)) is not button
    assert ("Open the link" in buttons_of(answer)) is button


@pytest.mark.parametrize(
    "url",
    [
        "https://connect.example/".ljust(4097, "a"),
        "https://connect.example/a b",
        "https://connect.example/)](https://evil.example",
        "https://connect.example/\\",
        "javascript:alert(1)",
        "https://[broken",
        "https:///nowhere",
        "",
    ],
)
async def test_a_link_that_discord_would_not_take_is_replaced_by_the_steps(url: str) -> None:
    answer = await offered(DEFAULT, MISSING, "gmail", url=url)

    assert answer.text == "Composio has made a link that Discord cannot show. Here is how to do it by hand."
    assert embed_of(answer).title == "How to connect Gmail"
    assert buttons_of(answer) == ["Open Composio", "I've connected it"]
    assert not url or url not in written(answer)


async def test_connected_names_the_account() -> None:
    answer = await offered(DEFAULT, mirror(WORKS), "gmail", ended=Ended(Outcome.CONNECTED, WORKS))

    assert embed_of(answer).title == "🟢 Gmail is connected"
    assert embed_of(answer).description == "The account is **work\\-gmail**."
    assert buttons_of(answer) == []


async def test_connected_but_switched_off_here_offers_the_switch() -> None:
    off = replace(WORKS, enabled=False)

    answer = await offered(DEFAULT, mirror(off), "gmail", ended=Ended(Outcome.CONNECTED, off))

    assert "It is still switched off here" in written(answer)
    assert buttons_of(answer) == ["Enable"]


async def test_connected_but_not_stored_says_that_the_list_follows() -> None:
    answer = await offered(DEFAULT, MISSING, "gmail", ended=Ended(Outcome.CONNECTED))

    assert "The list and the history follow" in written(answer)


@pytest.mark.parametrize(("permissions", "offers"), [(ADMIN, True), (MANAGER, False)])
async def test_old_accounts_are_offered_to_administrators_alone(
    permissions: discord.Permissions, offers: bool
) -> None:
    ended = Ended(Outcome.CONNECTED, WORKS, OLD)

    answer = await offered(DEFAULT, mirror(WORKS), "gmail", permissions, ended=ended)

    assert ("2 old accounts no longer work." in written(answer)) is offers
    assert buttons_of(answer) == (["Remove 2 old accounts"] if offers else [])


async def test_one_old_account_is_one() -> None:
    ended = Ended(Outcome.CONNECTED, WORKS, OLD[:1])

    answer = await offered(DEFAULT, mirror(WORKS), "gmail", ended=ended)

    assert "1 old account no longer works." in written(answer)
    assert buttons_of(answer) == ["Remove 1 old account"]


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.CONNECTED])
async def test_what_did_not_work_is_said_and_can_be_tried_again(outcome: Outcome) -> None:
    answer = await offered(DEFAULT, MISSING, "gmail", ended=Ended(outcome))

    assert "Gmail" in (embed_of(answer).title or "")
    assert buttons_of(answer) == ["Try again", "How to connect by hand"]
    assert LINK.url not in written(answer)
    assert urls(answer) == []


async def test_no_two_outcomes_are_told_in_the_same_words() -> None:
    said = [written(await offered(DEFAULT, MISSING, "gmail", ended=Ended(outcome))) for outcome in Outcome]

    assert len(set(said)) == len(said)


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.STOPPED])
async def test_what_is_not_known_is_not_called_a_failure(outcome: Outcome) -> None:
    said = written(await offered(DEFAULT, MISSING, "gmail", ended=Ended(outcome)))

    assert "not known yet" in said
    assert "Nothing has changed" not in said
    assert "Composio could not" not in said, "the database may have been away"


async def test_of_an_account_that_is_there_and_cannot_be_used_it_is_not_said_that_nothing_changed() -> None:
    said = written(await offered(DEFAULT, MISSING, "gmail", ended=Ended(Outcome.OTHER, BROKEN)))

    assert "The new account cannot be used" in said
    assert "Nothing has changed" not in said


# Who may, and where there are no links


async def pressed(press: Any, permissions: discord.Permissions, argument: str, *, connects: bool = True) -> Answer:
    reply = Kept(permissions)
    await press(context_over(Behind(mirror(BROKEN)), connects=connects), reply, argument)
    return reply.answer


@pytest.mark.parametrize("press", [connect.PRESSES["connect"].run, alerts.PRESSES["renew"].run])
async def test_who_may_not_is_told_who_may_and_shown_the_other_way(press: Any) -> None:
    answer = await pressed(press, MEMBER, "gmail")

    assert answer.text == "Only people with the permission **Manage Server** may do this."
    assert buttons_of(answer)[0].startswith("How to ")


async def test_where_there_are_no_links_an_old_button_shows_the_steps() -> None:
    for permissions in (MEMBER, ADMIN):
        answer = await pressed(connect.PRESSES["connect"].run, permissions, "gmail", connects=False)
        assert embed_of(answer).title == "How to reconnect Gmail"
        assert buttons_of(answer) == ["Open Composio", "I've connected it"]


async def test_the_steps_mention_the_short_way_to_who_may_take_it() -> None:
    for permissions, shows in ((MEMBER, False), (MANAGER, True)):
        answer = await pressed(howto.PRESSES["howto"].run, permissions, "gmail")
        assert ("**Reconnect now** needs none of these steps." in written(answer)) is shows
        assert ("Reconnect now" in buttons_of(answer)) is shows


async def test_who_waits_for_a_link_while_the_bot_stops_is_told() -> None:
    reply, behind = Kept(), Behind(mirror())

    async def stopped(*_: object) -> Offered:
        raise asyncio.CancelledError

    behind.start = stopped  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await connect.command(context_over(behind), reply, "gmail")

    assert reply.answer.text == "The bot was stopped before there was a link. Nothing was connected."


# Old accounts


async def test_the_question_about_old_accounts_names_them_and_what_stays() -> None:
    answer = await asked_about_old(DEFAULT, OLD, "gmail")

    said = written(answer)
    assert "Remove 2 old Gmail accounts?" in said
    assert "nothing that works is touched" in said
    assert "· expired ·" in said
    assert buttons_of(answer) == ["Remove 2 accounts", "Cancel"]


async def test_an_old_account_that_the_app_refuses_is_not_called_active() -> None:
    said = written(await asked_about_old(DEFAULT, [account(2, "ACTIVE")], "gmail"))

    assert "· refused when it was tried ·" in said
    assert "active" not in said


async def test_with_nothing_old_left_nothing_is_asked() -> None:
    answer = await asked_about_old(DEFAULT, [], "gmail")

    assert answer.text == "Composio has no old Gmail account any more. There is nothing to remove."


async def test_only_an_administrator_is_asked_about_old_accounts() -> None:
    with pytest.raises(MissingRightError):
        await pressed(revocation.PRESSES["old"].run, MANAGER, "gmail")
    with pytest.raises(OldButtonError):
        await pressed(revocation.PRESSES["old"].run, ADMIN, "gmail", connects=False)


async def test_the_history_does_not_call_an_app_revoked_that_goes_on_working() -> None:
    happened = event(
        action=Action.REVOKE, outcome=EventOutcome.DONE, after=Condition.CONNECTED, accounts=2, accounts_gone=2
    )

    assert "🟢 **Gmail** 2 accounts removed, another works" in written(await told(DEFAULT, [happened]))
