"""The history: who did what, day by day; who may read it, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.sandbox.faults import Refuse
from cogs.integrations.chat.states import SIGNS
from cogs.integrations.chat.text import DOT
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Action, Condition, Event, EventOutcome
from tests.cogs.chat.scenes import told
from tests.cogs.chat.stage import NOON, embed_of, event, written
from tests.conftest import GUILD_ID, World, labels, message_of, shown, synced, text


async def history(world: World, provider: str | None = None) -> str:
    options = {"provider": provider} if provider else {}
    return shown(await world.manager.slash(world.channel, "integrations history", **options))


async def test_nothing_has_happened_yet(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations history")

    assert result.ephemeral
    assert shown(result) == "History\nNothing has happened yet."


async def test_a_sync_leaves_its_changes_and_only_those(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    await synced(world)
    world.composio.expire(account.id)
    await synced(world)

    said = await history(world)

    assert said.count("**Gmail**") == 2
    assert "🟢 **Gmail** connected · ada · <t:" in said
    assert "🟠 **Gmail** needs reconnecting · ada · <t:" in said
    assert said.index("🟠") < said.index("🟢"), "the newest comes first"


async def test_under_one_apps_headline_each_line_says_why(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    world.composio.expire(account.id)
    await synced(world)

    said = await history(world, "gmail")

    assert "🟠 Needs reconnecting: Gmail no longer accepts this access · ada · <t:" in said
    assert "no longer accepts" not in await history(world)


async def test_a_toggle_names_the_person(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)

    said = await history(world, "github")

    assert said.startswith("History of GitHub")
    assert said.count("🟡 Switched off · mia · <t:") == 1
    assert "🟡 **GitHub** switched off · mia ·" in await history(world)


async def test_a_revoke_says_how_it_ended(world: World) -> None:
    world.composio.connect("github")
    world.composio.connect("github")
    await synced(world)
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    world.composio.fail(Refuse(500, headers={"x-should-retry": "false"}), method="DELETE", skip=1)
    await world.admin.click(question, label="Revoke 2 accounts")

    assert "**GitHub** only partly revoked: 1 of 2 accounts gone · ada · <t:" in await history(world)


async def test_one_apps_history_leaves_out_the_others(world: World) -> None:
    world.composio.connect("github")
    world.composio.connect("gmail")
    await synced(world)

    said = await history(world, "gmail")

    assert "History of Gmail" in said
    assert said.count("🟢 Connected") == 1
    assert "GitHub" not in said


async def test_nothing_of_it_is_small_print_or_a_raw_mention(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="gmail")
    world.composio.expire(account.id)
    await synced(world)

    for said in (await history(world), await history(world, "gmail")):
        assert "-#" not in said
        assert "<@" not in said


async def test_long_histories_have_pages(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    for _ in range(11):
        await world.manager.slash(world.channel, "integrations toggle", provider="github")

    result = await world.manager.slash(world.channel, "integrations history")
    page = message_of(result)

    assert labels(result) == ["Previous", "Next"]
    assert text(page).count("**GitHub**") == 10
    await world.manager.click(page, label="Next")
    assert text(page).count("**GitHub**") == 2
    await world.manager.click(page, label="Previous")
    assert text(page).count("**GitHub**") == 10


async def test_only_managers_may_read_it(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations history")

    assert result.ephemeral
    assert shown(result) == "Only people with the permission **Manage Server** may do this."


async def test_it_is_kept_for_the_set_number_of_days(world: World, environment: pytest.MonkeyPatch) -> None:
    world.composio.connect("github")
    await synced(world)
    environment.setenv("INTEGRATIONS_HISTORY_DAYS", "2")
    await world.restart()
    assert "**GitHub**" in await history(world)

    world.env.backend.advance_clock(timedelta(days=3).total_seconds())
    await world.restart()

    assert "Nothing has happened yet." in await history(world)


# Days


async def test_each_day_has_a_field_and_the_newest_comes_first() -> None:
    moments = [
        datetime(2026, 11, 23, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 22, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
    ]

    embed = embed_of(await told(DEFAULT, [event(at=moment) for moment in moments]))

    assert [(field.name, (field.value or "").count("\n") + 1) for field in embed.fields] == [
        ("Monday, 23 November 2026", 1),
        ("Sunday, 22 November 2026", 2),
        ("Sunday, 1 November 2026", 1),
    ]
    assert embed.footer.text == ("For what a sync found, the person is who synced. Days begin at midnight UTC.")


async def test_a_line_says_when_as_everybodys_own_discord_has_it() -> None:
    assert f"<t:{int(NOON.timestamp())}:R>" in written(await told(DEFAULT, [event()]))


async def test_a_page_beyond_the_last_says_that_nothing_older_is_remembered() -> None:
    answer = await told(DEFAULT, [event()], number=7)

    assert embed_of(answer).description == "Nothing older is remembered."
    assert embed_of(answer).footer.text is None


# Words


@pytest.mark.parametrize("name", [None, "gmail"])
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("outcome", EventOutcome)
async def test_everything_that_can_happen_has_one_line(
    action: Action, condition: Condition, outcome: EventOutcome, name: str | None
) -> None:
    happened = event(action=action, after=condition, outcome=outcome)

    [field] = embed_of(await told(DEFAULT, [happened], name)).fields

    line = field.value or ""
    assert "\n" not in line
    assert line.startswith(SIGNS[condition] + (" " if name else " **Gmail** "))
    assert " the bot itself" in line.replace("\u00a0", " ")


def words(happened: Event) -> str:
    """What a pair of action and outcome or state has to be told by."""
    return {
        (Action.SYNC, Condition.CONNECTED): "connected",
        (Action.SYNC, Condition.DISABLED): "connected, still switched off here",
        (Action.SYNC, Condition.NEEDS_RECONNECT): "needs reconnecting",
        (Action.SYNC, Condition.NOT_CONNECTED): "no longer connected",
        (Action.TOGGLE, Condition.CONNECTED): "switched on",
        (Action.TOGGLE, Condition.DISABLED): "switched off",
    }[happened.action, happened.after]


@pytest.mark.parametrize(
    "happened",
    [event(action=Action.SYNC, after=condition) for condition in Condition if condition is not Condition.NEWER]
    + [event(action=Action.TOGGLE, after=after) for after in (Condition.CONNECTED, Condition.DISABLED)],
    ids=lambda happened: f"{happened.action}-{happened.after}",
)
async def test_a_sync_and_a_switch_say_what_came_of_it(happened: Event) -> None:
    assert f"**Gmail** {words(happened)} ·" in written(await told(DEFAULT, [happened]))


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (EventOutcome.DONE, "revoked"),
        (EventOutcome.PARTLY, "only partly revoked"),
        (EventOutcome.FAILED, "not revoked: it failed"),
        (EventOutcome.INTERRUPTED, "revoke interrupted"),
        (EventOutcome.NEWER, "revoked, with an outcome newer than this bot knows"),
    ],
)
async def test_a_revoke_says_what_became_of_it(outcome: EventOutcome, said: str) -> None:
    happened = event(action=Action.REVOKE, after=Condition.NOT_CONNECTED, outcome=outcome)

    assert f"**Gmail** {said} ·" in written(await told(DEFAULT, [happened]))


async def test_of_a_revoke_that_did_not_end_it_is_told_how_far_it_came() -> None:
    of_two = event(action=Action.REVOKE, outcome=EventOutcome.INTERRUPTED, accounts=2, accounts_gone=1)

    assert "**Gmail** revoke interrupted: 1 of 2 accounts gone ·" in written(await told(DEFAULT, [of_two]))


async def test_of_other_servers_people_it_is_told_what_they_did_and_not_who_they_are() -> None:
    here, there = (event(person_id=7, guild_id=guild_id) for guild_id in (GUILD_ID, GUILD_ID + 1))
    itself = event(guild_id=None, person_id=None)

    said = written(await told(DEFAULT, [here, there, itself])).replace(DOT, " · ")

    assert said.count("<@7>") == 1
    assert "**Gmail** needs reconnecting · someone in another server ·" in said
    assert "**Gmail** needs reconnecting · the bot itself ·" in said


async def test_an_app_that_has_left_the_catalogue_is_named_by_its_id() -> None:
    assert "**left\\_long\\_ago**" in written(await told(DEFAULT, [event("left_long_ago")]))


async def test_reasons_are_told_of_what_broke_alone() -> None:
    broke = event(status="EXPIRED")
    mended = replace(broke, before=broke.after, after=Condition.CONNECTED)

    said = written(await told(DEFAULT, [mended, broke], "gmail"))

    assert said.count("This access has run out") == 1
