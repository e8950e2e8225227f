"""What an alert says, and the command that says where alerts go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcord.backend.serializers import thread_payload
from simcord.builders import ChannelHandle

from cogs.integrations.chat import alert as words
from cogs.integrations.chat.answer import Answer
from cogs.integrations.mirror.catalog import DEFAULT, Catalog
from cogs.integrations.names import COG
from storage.integrations import Alert, AlertItem, Mirror, State
from tests.cogs.chat.stage import DASHBOARD, NOON, provider, written
from tests.cogs.chat.test_limits import assert_fits
from tests.cogs.chat.worlds import every_world, worlds
from tests.conftest import World, labels, message_of, shown

HOURS = timedelta(hours=2)
BROKEN = AlertItem("notion", State.NEEDS_RECONNECT, NOON, NOON, "EXPIRED")
GONE = replace(BROKEN, provider="github", state=State.NOT_CONNECTED, status=None)
WORKS = replace(BROKEN, state=State.CONNECTED, worked_at=NOON + HOURS)
TAKEN = replace(GONE, worked_at=NOON + HOURS)


def alert(*items: AlertItem) -> Alert:
    return Alert("0123456789abcdef", 1, "user", items, NOON, NOON)


def said(*items: AlertItem, catalog: Catalog = DEFAULT, connects: bool = True) -> Answer:
    return words.message(catalog, DASHBOARD, alert(*items), connects=connects)


def title(answer: Answer) -> str | None:
    assert answer.embed is not None
    return answer.embed.title


def buttons(answer: Answer) -> list[str | None]:
    assert answer.view is not None
    return [getattr(child, "label", None) or child.item.label for child in answer.view.children]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([BROKEN], "🟠 Notion needs reconnecting"),
        ([GONE], "🔴 GitHub is not connected any more"),
        ([WORKS], "🟢 Notion works again"),
        ([TAKEN], "⚪ GitHub was taken away"),
        ([replace(BROKEN, unstable=True)], "🟠 Notion is unstable"),
        ([replace(WORKS, unstable=True)], "🟠 Notion is unstable"),
        ([BROKEN, GONE], "🔴 2 integrations stopped working"),
        ([WORKS, GONE], "🔴 1 of 2 integrations still do not work"),
        ([WORKS, replace(WORKS, provider="linear", unstable=True)], "🟠 1 of 2 integrations still need attention"),
        ([WORKS, replace(WORKS, provider="linear")], "🟢 2 integrations work again"),
        ([WORKS, TAKEN], "🟢 1 integration works again"),
    ],
)
def test_the_title_says_how_it_stands(items: list[AlertItem], expected: str) -> None:
    assert title(said(*items)) == expected


def test_it_says_what_since_when_why_and_what_it_means() -> None:
    text = written(said(replace(BROKEN, provider="gmail")))

    since = int(NOON.timestamp())
    assert f"Needs reconnecting; it stopped working <t:{since}:R>." in text
    assert "This access has run out." in text
    assert "Required for email processing and notifications." in text


@pytest.mark.parametrize("name", ["gmail", "not-in-the-catalogue"])
def test_of_what_comes_and_goes_it_does_not_say_why_it_is_broken(name: str) -> None:
    text = written(said(replace(WORKS, provider=name, unstable=True)))

    assert "It comes and goes: 3 changes within an hour." in text
    assert "This access has run out." not in text
    assert ("Required for email processing" in text) is (name == "gmail")


def test_what_composio_shows_no_account_for_is_said_so() -> None:
    assert "Composio shows no account for it any more." in written(said(GONE))


def test_what_works_again_was_broken_for_so_long() -> None:
    assert "It worked again after 2 hours, <t:" in written(said(WORKS))


def test_the_buttons_are_those_that_help() -> None:
    assert buttons(said(BROKEN, WORKS)) == ["Reconnect now", "How to reconnect", "Open Composio"]
    assert buttons(said(BROKEN, connects=False)) == ["How to reconnect", "Open Composio"]
    assert buttons(said(WORKS)) == ["Show all", "Open Composio"]


def test_text_from_outside_stands_for_itself() -> None:
    catalog = Catalog((provider("evil", "[x](http://e)", description="<@&1> **bold**"),))

    text = written(said(replace(BROKEN, provider="evil", reason="@everyone"), catalog=catalog))

    assert "[x]" not in text
    assert "<@&1>" not in text
    assert "@everyone" not in text


@given(worlds(), st.booleans(), st.sampled_from([None, NOON]))
@every_world
def test_every_alert_fits(world: tuple[Catalog, Mirror], unstable: bool, worked_at: object) -> None:
    catalog, stored = world
    items = [
        replace(
            BROKEN,
            provider=each.id,
            state=stored.get(each.id).state,
            status=stored.get(each.id).status,
            reason=stored.get(each.id).reason,
            unstable=unstable and number % 2 == 0,
            worked_at=worked_at if number % 3 == 0 else None,  # type: ignore[arg-type]
        )
        for number, each in enumerate(catalog.providers)
    ]
    for number in {1, 8, len(items)}:
        assert_fits(said(*items[:number], catalog=catalog))


# The command


@pytest.fixture
def ops(world: World) -> ChannelHandle:
    return world.guild.create_text_channel("ops")


async def test_only_who_may_manage_the_server_says_where_alerts_go(world: World, ops: ChannelHandle) -> None:
    refused = await world.member.slash(world.channel, "integrations alerts", channel=ops)
    assert "Only people with the permission **Manage Server** may do this." in shown(refused)

    asked = await world.manager.slash(world.channel, "integrations alerts")
    assert "Alerts are off." in shown(asked)
    assert asked.response is not None
    assert asked.response.ephemeral
    assert labels(asked) == []


async def test_the_answer_says_where_and_whom_and_how_to_turn_them_off(world: World, ops: ChannelHandle) -> None:
    role = world.guild.create_role("on-call", mentionable=True)
    set_ = await world.manager.slash(world.channel, "integrations alerts", channel=ops)
    assert shown(set_) == f"Alerts go to {ops.mention} and mention nobody."

    changed = await world.manager.slash(world.channel, "integrations alerts", mention=role)
    assert shown(changed) == f"Alerts go to {ops.mention} and mention <@&{role.id}>."
    assert labels(changed) == ["Turn off"]

    off = await world.manager.click(message_of(changed), label="Turn off")
    assert shown(off).startswith("Alerts are off.")
    assert "Alerts are off." in shown(await world.manager.slash(world.channel, "integrations alerts"))


async def test_a_role_alone_wants_a_channel_first(world: World) -> None:
    role = world.guild.create_role("on-call", mentionable=True)

    answer = await world.manager.slash(world.channel, "integrations alerts", mention=role)

    assert "Alerts go nowhere yet." in shown(answer)


async def test_a_channel_that_the_person_may_not_write_in_is_refused(world: World) -> None:
    managers = world.guild.roles["Managers"]
    silent = discord.PermissionOverwrite(send_messages=False)
    channel = world.guild.create_text_channel("news", overwrites={managers: silent})

    answer = await world.manager.slash(world.channel, "integrations alerts", channel=channel)

    assert "You cannot write in" in shown(answer)


async def test_a_role_that_the_person_may_not_mention_is_refused(world: World, ops: ChannelHandle) -> None:
    role = world.guild.create_role("owners")

    answer = await world.manager.slash(world.channel, "integrations alerts", channel=ops, mention=role)

    assert "You cannot mention" in shown(answer)


async def test_a_role_alone_has_to_be_one_that_the_person_may_mention_where_alerts_go(
    world: World, ops: ChannelHandle
) -> None:
    role = world.guild.create_role("owners")
    managers = world.guild.roles["Managers"]
    loud = discord.PermissionOverwrite(mention_everyone=True)
    here = world.guild.create_text_channel("here", overwrites={managers: loud})
    await world.manager.slash(here, "integrations alerts", channel=ops)

    refused = await world.manager.slash(here, "integrations alerts", mention=role)
    assert "You cannot mention" in shown(refused)

    await world.manager.slash(world.channel, "integrations alerts", channel=here)
    changed = await world.manager.slash(world.channel, "integrations alerts", mention=role)
    assert f"mention <@&{role.id}>" in shown(changed)


async def test_the_answer_names_the_permissions_that_the_bot_lacks(world: World) -> None:
    everyone = world.guild.roles["@everyone"]
    bot = world.guild.me
    assert bot is not None
    managers = world.guild.roles["Managers"]
    channel = world.guild.create_text_channel(
        "private",
        overwrites={
            everyone: discord.PermissionOverwrite(view_channel=False),
            managers: discord.PermissionOverwrite(view_channel=True),
            bot: discord.PermissionOverwrite(view_channel=False),
        },
    )

    answer = await world.manager.slash(world.channel, "integrations alerts", channel=channel)

    assert "there it lacks **View Channel**" in shown(answer)


async def test_a_thread_that_is_opened_again_is_heard_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bot: Any = world.env.bot
    backend = world.env.backend
    cog: Any = bot.get_cog(COG)
    opened: list[int] = []
    monkeypatch.setattr(cog._context.delivery, "opened", opened.append)  # noqa: SLF001 – the only sign of it
    assert bot.user is not None
    thread = backend.create_thread(world.channel.id, "ops", owner_id=bot.user.id)
    await world.env.settle()
    guild: Any = bot.get_guild(world.guild.id)
    guild._remove_thread(guild.get_thread(thread.id))  # noqa: SLF001 – as discord.py does for archived ones

    bot._connection.parse_thread_update(thread_payload(backend, thread))  # noqa: SLF001 – SimCord has no such event
    await world.env.settle()

    assert opened == [world.guild.id]
