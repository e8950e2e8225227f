"""The list: one calm line for each app, in pages, and what needs attention on top."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given

from cogs.integrations.chat.overview import page_of
from cogs.integrations.chat.states import SIGNS
from cogs.integrations.mirror.catalog import DEFAULT, Catalog, Provider
from storage.integrations import Condition, Integration, Mirror, State
from tests.cogs.chat.scenes import listed
from tests.cogs.chat.stage import BROKEN, NOON, WORKS, buttons_of, embed_of, mirror, provider, written
from tests.cogs.chat.worlds import every_world, worlds
from tests.conftest import World, labels, message_of, shown, synced, text

MANY = Catalog(tuple(provider(f"p{n}", f"App {n}", category=f"Category {n % 6}") for n in range(120)))


async def test_the_list_before_any_sync_says_that_nothing_is_known(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations list")

    assert not result.ephemeral
    assert "**0 of 8** connected" in shown(result)
    assert "Never synced" in shown(result)
    assert labels(result) == ["Sync from Composio", "Open Composio"]
    assert world.composio.requests == []


async def test_the_list_is_grouped_by_category_in_catalogue_order(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations list")

    [embed] = message_of(result).embeds
    assert [field.name for field in embed.fields] == [
        "Required",
        "Documents",
        "Scheduling",
        "Development",
        "Productivity",
    ]
    assert (embed.fields[1].value or "").splitlines() == [
        "🔴 **Google Docs** · Not connected",
        "🔴 **Google Sheets** · Not connected",
        "🔴 **Google Drive** · Not connected",
    ]


async def test_the_list_tells_state_and_account(world: World) -> None:
    world.composio.connect("gmail", alias="work-gmail", age=timedelta(days=3))
    world.composio.connect("gmail", alias="old-gmail", age=timedelta(days=90))
    notion = world.composio.connect("notion", alias="wiki", age=timedelta(days=9))
    world.composio.expire(notion.id)
    await synced(world)

    told = shown(await world.member.slash(world.channel, "integrations list"))

    assert "Required: 🟢 **Gmail** · Connected · work\\-gmail and 1 more" in told.splitlines()
    assert "**1 of 8** connected · 🟠 **1** needs attention" in told
    assert "Checked <t:" in told


async def test_only_what_needs_attention_says_since_when_and_then_without_its_account(world: World) -> None:
    world.composio.connect("gmail", alias="work-gmail", age=timedelta(days=3))
    notion = world.composio.connect("notion", alias="wiki", age=timedelta(days=9))
    world.composio.expire(notion.id)
    await synced(world)

    result = await world.member.slash(world.channel, "integrations list")

    [embed] = message_of(result).embeds
    lines = "\n".join(field.value or "" for field in embed.fields).replace("\u00a0", " ").splitlines()
    assert [line for line in lines if "<t:" in line or "since" in line] == [
        f"🟠 **Notion** · Needs reconnecting · <t:{int(notion.updated_at.timestamp())}:R>"
    ]
    assert "🟢 **Gmail** · Connected · work\\-gmail" in lines
    assert "Since: <t:" in shown(await world.member.select(message_of(result), ["gmail"]))


def visible(line: str) -> str:
    """A line as Discord renders it, where no time takes more room than this one."""
    plain = re.sub(r"\\(.)", r"\1", line.replace("**", "").replace("\u00a0", " "))
    return re.sub(r"<t:\d+:R>", "12 months ago", plain)


@pytest.mark.parametrize("each", DEFAULT.providers, ids=lambda each: each.id)
@pytest.mark.parametrize(
    ("row", "name"),
    [
        (WORKS, "{toolkit}_red-castle"),  # what Composio calls an account by itself
        (replace(WORKS, usable_accounts=2), "peterbot-releases"),
        (replace(WORKS, enabled=False), "{toolkit}_red-castle"),
        (BROKEN, "{toolkit}_red-castle"),
    ],
    ids=["connected", "two accounts", "switched off", "needs reconnecting"],
)
def test_a_line_of_the_built_in_catalogue_fits_one_row(each: Provider, row: Integration, name: str) -> None:
    stored = replace(row, provider=each.id, account_name=name.format(toolkit=each.toolkits[-1]))

    told = written(listed(DEFAULT, mirror(stored))).splitlines()

    [line] = [line for line in told if f"**{each.label}** ·" in line]
    assert len(visible(line)) <= 60


def test_a_long_name_is_cut_in_the_list() -> None:
    long = replace(WORKS, account_name="_" * 100)

    [line] = [line for line in written(listed(DEFAULT, mirror(long))).splitlines() if "**Gmail**" in line]

    assert visible(line) == "🟢 Gmail · Connected · " + "_" * 27 + "…"


@pytest.mark.parametrize(
    ("rows", "head"),
    [
        ([], "🟢 **0 of 8** connected"),
        ([WORKS], "🟢 **1 of 8** connected"),
        ([BROKEN], "🟢 **0 of 8** connected · 🟠 **1** needs attention"),
        (
            [BROKEN, replace(BROKEN, provider="notion")],
            "🟢 **0 of 8** connected · 🟠 **2** need attention",
        ),
        ([replace(WORKS, state=State.NEWER)], "🟢 **0 of 8** connected"),
    ],
)
def test_the_head_counts_what_works_and_what_needs_attention(rows: list[Integration], head: str) -> None:
    assert head in (embed_of(listed(DEFAULT, mirror(*rows))).description or "").splitlines()


def write_catalog(environment: pytest.MonkeyPatch, text: str) -> None:
    Path("apps.toml").write_text(text, "utf-8")
    environment.setenv("INTEGRATIONS_CATALOG", "apps.toml")


async def test_the_list_says_on_top_which_required_apps_are_missing(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    required = '[[provider]]\nid = "{id}"\nlabel = "{label}"\ncategory = "x"\ndescription = "x"\nrequired = true\n'
    apps = (("gmail", "Gmail"), ("github", "GitHub"), ("notion", "Notion"))
    write_catalog(environment, "".join(required.format(id=id_, label=label) for id_, label in apps))
    await world.restart()
    world.composio.connect("notion")
    await synced(world)

    told = message_of(await world.member.slash(world.channel, "integrations list"))

    first = (told.embeds[0].description or "").splitlines()[0]
    assert first == "⚠️ **2 required integrations are missing:** Gmail, GitHub"


async def test_a_sync_never_moves_a_switch(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    world.composio.remove(account.id)
    await synced(world)
    world.composio.connect("github")
    await synced(world)

    told = await world.member.slash(world.channel, "integrations list")

    assert "🟡 **GitHub** · Connected (disabled)" in shown(told)


# Pages


def entry(number: int) -> str:
    return (
        f'[[provider]]\nid = "app{number}"\nlabel = "App {number}"\n'
        f'category = "Group {number // 30}"\ndescription = "Does {number}"\n'
    )


async def test_a_catalogue_of_120_is_shown_whole_in_pages(world: World, environment: pytest.MonkeyPatch) -> None:
    write_catalog(environment, "".join(map(entry, range(120))))
    await world.restart()

    page = message_of(await world.member.slash(world.channel, "integrations list"))
    seen = text(page)
    for _ in range(4):
        await world.member.click(page, label="Next")
        seen += text(page)

    assert [f"**App {number}**" in seen for number in range(120)] == [True] * 120
    assert "Page 5 of 5 · 120 integrations" in seen
    await world.member.click(page, label="Previous")
    assert "Page 4 of 5" in text(page)
    assert "App 75" in shown(await world.member.select(page, ["app75"]))


@given(worlds())
@every_world
def test_the_pages_hold_every_provider_exactly_once_in_the_order_of_the_categories(
    world: tuple[Catalog, Mirror],
) -> None:
    catalog, _ = world
    pages = [page_of(catalog, number) for number in range(1, page_of(catalog, 1).pages + 1)]

    assert [each for page in pages for each in page.providers] == [
        each for providers in catalog.categories.values() for each in providers
    ]
    assert all(1 <= len(page.providers) <= 25 for page in pages)


def test_a_hundred_and_twenty_providers_fill_five_pages() -> None:
    pages = [page_of(MANY, number) for number in range(1, 6)]

    assert [page.pages for page in pages] == [5] * 5
    assert [len(page.providers) for page in pages] == [25, 25, 25, 25, 20]
    assert sorted(each.id for page in pages for each in page.providers) == sorted(MANY.by_id)
    footers = [embed_of(listed(MANY, mirror(), number)).footer.text for number in range(1, 6)]
    assert footers == [f"Page {n} of 5 · 120 integrations" for n in range(1, 6)]


def test_every_line_of_a_page_is_shown_under_its_category() -> None:
    for number in range(1, 6):
        fields = embed_of(listed(MANY, mirror(), number)).fields
        lines = [(field.name, line) for field in fields for line in (field.value or "").split("\n")]
        page = page_of(MANY, number)
        assert lines == [(each.category, f"🔴 **{each.label}** · Not connected") for each in page.providers]


@pytest.mark.parametrize(("asked", "found"), [(0, 1), (-5, 1), (2, 2), (6, 5), (10**30, 5)])
def test_a_page_that_does_not_exist_is_the_nearest_one_that_does(asked: int, found: int) -> None:
    assert page_of(MANY, asked).number == found


def test_a_change_of_state_moves_no_provider_to_another_page() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", "😀" * 40 + f" {n}") for n in range(120)))
    full = [
        replace(WORKS, provider=each.id, account_name="_" * 100, usable_accounts=2) for each in catalog.providers
    ]

    for number in range(1, page_of(catalog, 1).pages + 1):
        named = [each.label.rpartition(" ")[2] for each in page_of(catalog, number).providers]
        for stored in (mirror(), mirror(*full)):
            fields = embed_of(listed(catalog, stored, number)).fields
            lines = [line for field in fields for line in (field.value or "").split("\n")]
            assert [re.findall(r" (\d+)\*\*", line) for line in lines] == [[name] for name in named]


async def test_a_list_of_one_page_has_no_buttons_to_turn_it() -> None:
    assert buttons_of(listed(DEFAULT, mirror())) == ["Sync from Composio", "Open Composio"]


@pytest.mark.parametrize(("number", "disabled"), [(1, [True, False]), (3, [False, False]), (5, [False, True])])
async def test_a_list_can_be_turned_until_its_ends(number: int, disabled: list[bool]) -> None:
    view = listed(MANY, mirror(), number).view
    assert view is not None

    [buttons, _] = view.to_components()

    turn = buttons["components"][2:]
    assert [button["label"] for button in turn] == ["Previous", "Next"]
    assert [button["disabled"] for button in turn] == disabled
    assert [button["custom_id"].rpartition(":")[2] for button in turn] == [str(number - 1), str(number + 1)]


async def test_the_select_offers_every_app_of_the_page_with_its_state() -> None:
    view = listed(DEFAULT, mirror(WORKS, replace(BROKEN, provider="notion"))).view
    assert view is not None

    [_, select] = view.to_components()

    options = {option["value"]: option for option in select["components"][0]["options"]}
    assert list(options) == [each.id for providers in DEFAULT.categories.values() for each in providers]
    assert options["gmail"]["description"] == "Connected"
    assert options["notion"]["description"] == "Needs reconnecting"
    assert options["notion"]["emoji"]["name"] == SIGNS[Condition.NEEDS_RECONNECT]
    assert options["linear"]["description"] == "Not connected"


def test_when_it_was_last_checked_is_kept_up_to_date_by_discord() -> None:
    told = written(listed(DEFAULT, mirror(WORKS)))

    assert f"Checked <t:{int(NOON.timestamp())}:R>" in told
