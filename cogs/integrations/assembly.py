"""Puts the parts together. Heavy to import: see `loading`."""

from __future__ import annotations

from . import hidden  # noqa: F401 – a host's own `storage` hides ours

# isort: split

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import discord
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import ChangeFeed, DatabaseRefusedError, StorageError, Store, open_engine, prepare

from . import closing, guard
from .chat import alert, board
from .chat.boards import Boards
from .chat.context import Context
from .chat.delivery import Delivery
from .chat.posting import Poster
from .closing import Closing
from .cog import IntegrationsCog
from .composio.budget import Budget
from .composio.gateway import ComposioGateway
from .guard import AnyBot
from .mirror import catalog, catalog_file
from .mirror.access import Access
from .mirror.batch import BatchReader
from .mirror.connecting import Connector
from .mirror.errors import CatalogError, SettingsError
from .mirror.freshness import Freshness
from .mirror.known import Known
from .mirror.ledger import Ledger
from .mirror.pace import Pace
from .mirror.proving import Prover
from .mirror.revoking import Revoker
from .mirror.rounds import Rounds
from .mirror.servers import Servers
from .mirror.service import IntegrationService
from .mirror.tenancy import Tenancy
from .mirror.upkeep import Upkeep
from .mirror.vigil import Vigil
from .settings import IntegrationsSettings
from .wishes import Wishes


async def add_to(bot: AnyBot, settings: IntegrationsSettings | None, engine: AsyncEngine | None) -> None:
    """See `cogs.integrations.add_to`."""
    opened = Closing()
    try:
        await bot.add_cog(await _cog(bot, settings or IntegrationsSettings.read(), engine, opened))
        guard.BOTS.add(bot)
    except BaseException:
        # discord.py does not call cog_unload when the name of the command or the cog is taken.
        await opened.close()
        raise


async def _cog(
    bot: AnyBot, settings: IntegrationsSettings, engine: AsyncEngine | None, opened: Closing
) -> IntegrationsCog:
    rules = _Rules(settings.tenancy, read_catalog(settings))  # what is wrong is refused before anything is opened
    engine = await _engine(settings, engine, opened)
    gateway = await _gateway(settings, opened)
    mirror = _mirror(bot, settings, Store(engine), gateway, rules)
    wishes = Wishes(rules.providers, mirror.prover)
    await wishes.refuse(guard.wishes_of(bot))
    feed = await _feed(engine)
    upkeep = _upkeep(settings, feed, mirror)
    context = _context(bot, settings, mirror, upkeep)
    rounds = _rounds(settings, gateway, mirror.ledger, context)
    vigil = _vigil(settings, mirror)
    opened.add(closing.LEDGER, mirror.ledger.close)
    # What runs by itself ends first. Then nobody is asked any more, and who waits gets an answer.
    asked = (context.questions.close, context.close, context.delivery.close)
    cases = (mirror.connector, mirror.prover, mirror.revoker, mirror.service)
    opened.add(closing.USE_CASES, *asked, *(case.close for case in cases))
    opened.add(closing.FEED, feed.close)
    by_itself = (upkeep, mirror.servers, context.boards, rounds, vigil, wishes)
    opened.add(closing.UPKEEP, *(part.close for part in by_itself))
    rounds.start()
    vigil.start()
    cog = IntegrationsCog(bot, context=context, servers=mirror.servers, upkeep=upkeep, resources=opened)
    cog.wished = wishes.came
    return cog


class _Rules(NamedTuple):
    """Which servers may use which Composio user, and which providers there are."""

    tenancy: Tenancy
    providers: catalog.Catalog


class _Mirror(NamedTuple):
    """The use cases, and what they stand on."""

    rules: _Rules
    ledger: Ledger
    servers: Servers
    service: IntegrationService
    revoker: Revoker
    connector: Connector
    prover: Prover


def _mirror(
    bot: AnyBot,
    settings: IntegrationsSettings,
    store: Store,
    accounts: ComposioGateway,
    rules: _Rules,
) -> _Mirror:
    ledger = Ledger(store, Known(rules.providers), lambda change: bot.dispatch("integration_change", change))
    on: dict[str, Any] = {
        "accounts": accounts,
        "ledger": ledger,
        "catalog": rules.providers,
        "clock": discord.utils.utcnow,
    }
    service = IntegrationService(**on)
    on["outdate"] = service.outdate
    servers = _servers(bot, settings, ledger)
    return _Mirror(rules, ledger, servers, service, Revoker(**on), Connector(**on), Prover(**on))


def _upkeep(settings: IntegrationsSettings, feed: ChangeFeed, mirror: _Mirror) -> Upkeep:
    def forget_before() -> datetime:
        return discord.utils.utcnow() - timedelta(days=settings.history_days)

    upkeep = Upkeep(
        feed=feed,
        ledger=mirror.ledger,
        servers=mirror.servers,
        unfinished=[mirror.revoker, mirror.connector],
        forget_before=forget_before,
    )
    feed.on_change = upkeep.woken
    return upkeep


def _context(bot: AnyBot, settings: IntegrationsSettings, mirror: _Mirror, upkeep: Upkeep) -> Context:
    (tenancy, providers), ledger, servers, service, revoker, connector, prover = mirror
    links = settings.connect == "link"
    poster, freshness = Poster(bot), Freshness(settings.sync_interval, discord.utils.utcnow)
    render = partial(board.render, providers, freshness, settings.dashboard_url)
    boards = Boards(service=service, servers=servers, poster=poster, render=render)
    show = partial(alert.message, providers, settings.dashboard_url, connects=links)
    delivery = Delivery(
        telling=ledger.telling, servers=servers, poster=poster, show=show, clock=discord.utils.utcnow
    )
    upkeep.followers += [ledger.proofs, boards, delivery]
    servers.on_arrived += [boards.arrived, delivery.arrived]
    servers.on_left += [boards.left, delivery.look]
    servers.places.followers.append(delivery.moved)
    ledger.checks.on_checked = boards.checked
    return Context(
        service=service,
        revoker=revoker,
        connector=connector if links else None,
        prover=prover,
        access=Access(servers=servers, service=service, catalog=providers, tenancy=tenancy),
        places=servers.places,
        poster=poster,
        delivery=delivery,
        boards=boards,
        catalog=providers,
        tenancy=tenancy,
        dashboard_url=settings.dashboard_url,
        freshness=freshness,
    )


def _rounds(settings: IntegrationsSettings, gateway: ComposioGateway, ledger: Ledger, context: Context) -> Rounds:
    clock = discord.utils.utcnow
    return Rounds(
        reader=BatchReader(accounts=gateway, ledger=ledger, catalog=context.catalog, clock=clock),
        ledger=ledger,
        tenancy=context.tenancy,
        hearing=context.freshness,
        pace=Pace(settings.sync_interval, clock),
    )


def _vigil(settings: IntegrationsSettings, mirror: _Mirror) -> Vigil:
    return Vigil(
        prover=mirror.prover,
        ledger=mirror.ledger,
        tenancy=mirror.rules.tenancy,
        interval=settings.verify_interval,
        clock=discord.utils.utcnow,
    )


def _servers(bot: AnyBot, settings: IntegrationsSettings, ledger: Ledger) -> Servers:
    def is_member(guild_id: int) -> bool:
        # A bot that ends forgets its servers, but has not left them.
        return bot.is_closed() or bot.get_guild(guild_id) is not None

    return Servers(
        ledger=ledger,
        tenancy=settings.tenancy,
        clock=discord.utils.utcnow,
        forget_after=timedelta(days=settings.forget_days),
        is_member=is_member if bot.intents.guilds else None,
    )


async def _feed(engine: AsyncEngine) -> ChangeFeed:
    feed = ChangeFeed(engine)
    try:
        await feed.start()
    except BaseException as error:
        await feed.close()
        if isinstance(error, StorageError):
            raise SettingsError(f"the database cannot be read: {error}") from error
        raise
    return feed


async def _gateway(settings: IntegrationsSettings, opened: Closing) -> ComposioGateway:
    def make() -> ComposioGateway:
        key, budget = settings.api_key.get_secret_value(), Budget(settings.requests_per_minute)
        return ComposioGateway(api_key=key, base_url=settings.base_url, budget=budget)

    # The certificate authorities are loaded, which would hold the loop.
    gateway = await asyncio.to_thread(make)
    opened.add(closing.GATEWAY, gateway.close)
    return gateway


def read_catalog(settings: IntegrationsSettings) -> catalog.Catalog:
    """The catalogue that the settings name. Raises `CatalogError` that names the setting."""
    try:
        return catalog_file.load(settings.catalog)
    except CatalogError as error:
        raise CatalogError(f"INTEGRATIONS_CATALOG is wrong: {error}") from error


async def _engine(settings: IntegrationsSettings, engine: AsyncEngine | None, opened: Closing) -> AsyncEngine:
    name = "the engine" if engine else "INTEGRATIONS_DATABASE_URL"
    try:
        if engine is None:
            engine = open_engine(settings.database_url.get_secret_value())
            opened.add(closing.ENGINE, engine.dispose)
        await prepare(engine)
    except DatabaseRefusedError as error:
        raise SettingsError(f"{name} is wrong: {error}") from error
    except StorageError as error:
        raise SettingsError(
            f"{name} cannot be used ({error}): check that the file or server can be reached and written"
        ) from error
    return engine
