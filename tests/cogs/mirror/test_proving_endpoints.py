"""Where a check asks: what the catalogue names wins, else the account's own toolkit says."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import Catalog, Provider
from cogs.integrations.mirror.findings import Finding, Why
from storage.integrations import State, Verdict
from tests.cogs.mirror.checks import Checks, probes
from tests.cogs.mirror.stores import Clock

DRIVE = "https://www.googleapis.com/drive/v3/about?fields=user"


def provider(**fields: Any) -> Provider:
    facts = {"id": "app", "label": "App", "category": "Apps", "description": "An app"}
    return Provider(**(facts | fields))


class Apps:
    """A process with a catalogue of one app."""

    def __init__(self, standin: StandIn, gateway: ComposioGateway, engine: AsyncEngine, **fields: Any) -> None:
        self.app = provider(**fields)
        self._standin = standin
        self._process = Checks(gateway, engine, Clock(), Catalog((self.app,)))

    async def checked(self) -> Finding:
        finding = await self._process.checked("app")
        await self._process.close()
        return finding

    async def can_check(self) -> bool:
        return await self._process.prover.can_check(self.app)

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(sent.content) for sent in self._standin.requests if sent.method == "POST"]


async def test_what_the_catalogue_names_wins(
    standin: StandIn, gateway: ComposioGateway, engine: AsyncEngine
) -> None:
    query = "{ viewer { email } }"
    apps = Apps(
        standin,
        gateway,
        engine,
        toolkits=("linear",),
        whoami="https://api.linear.app/graphql",
        whoami_method="POST",
        whoami_body=query,
        whoami_name="viewer.name",
    )
    standin.connect("linear", owner="anna@example.com")

    finding = await apps.checked()

    assert (finding.verdict, finding.whom) == (Verdict.WORKS, "anna")
    [asked] = apps.asked()
    assert (asked["endpoint"], asked["method"], asked["body"]) == (
        "https://api.linear.app/graphql",
        "POST",
        {"query": query},
    )
    assert not [sent for sent in standin.requests if "/toolkits/" in sent.path]


async def test_of_several_toolkits_the_accounts_own_says_where(
    standin: StandIn, gateway: ComposioGateway, engine: AsyncEngine
) -> None:
    apps = Apps(standin, gateway, engine, toolkits=("gmail", "googledrive"))
    standin.connect("googledrive", owner="anna@example.com")

    finding = await apps.checked()

    assert (finding.verdict, finding.whom) == (Verdict.WORKS, "anna@example.com")
    assert [asked["endpoint"] for asked in apps.asked()] == [DRIVE]


async def test_an_app_can_be_checked_when_one_of_its_toolkits_can(
    standin: StandIn, gateway: ComposioGateway, engine: AsyncEngine
) -> None:
    assert await Apps(standin, gateway, engine, toolkits=("googledocs", "googledrive")).can_check()
    assert not await Apps(standin, gateway, engine, toolkits=("googledocs", "slack")).can_check()
    assert await Apps(standin, gateway, engine, toolkits=("slack",), whoami="https://slack.com/me").can_check()


async def test_an_account_that_is_switched_off_is_not_tried(checking: Checks, standin: StandIn) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.change(account.id, is_disabled=True)

    finding = await checking.checked()

    assert (finding.verdict, finding.why, finding.row.state) == (
        None,
        Why.NOT_CONNECTED,
        State.NEEDS_RECONNECT,
    )
    assert probes(standin) == 0


async def test_linear_is_asked_where_the_built_in_catalogue_says(checking: Checks, standin: StandIn) -> None:
    standin.connect("linear", owner="anna@example.com")

    finding = await checking.checked("linear")

    assert (finding.verdict, finding.whom) == (Verdict.WORKS, "anna@example.com")
