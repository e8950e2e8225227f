"""The part of a bot that knows which apps are connected: ``await bot.load_extension("cogs.integrations")``.

For a host's own commands: `requires_integration`, `require`, and what `of` gives. When a sync, a toggle or a
revoke of this process changes a provider, ``on_integration_change`` is dispatched on the bot with an
`IntegrationChange`.
"""

from __future__ import annotations

from . import hidden  # noqa: F401 – a host's own `storage` hides ours

# isort: split

from contextlib import AsyncExitStack
from datetime import timedelta

import discord
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Condition, DatabaseRefusedError, StorageError, Store, open_engine, prepare
from storage.integrations import Event as IntegrationChange

from . import catalog
from .cog import IntegrationsCog
from .composio import ComposioGateway
from .errors import CatalogError, NotAllowedHereError, SettingsError, StorageUnavailableError
from .flows import Flows
from .guard import AnyBot, Integrations, of, require, requires_integration
from .service import IntegrationService
from .settings import IntegrationsSettings

__all__ = [
    "CatalogError",
    "Condition",
    "IntegrationChange",
    "Integrations",
    "IntegrationsSettings",
    "NotAllowedHereError",
    "SettingsError",
    "add_to",
    "of",
    "require",
    "requires_integration",
    "setup",
]


async def setup(bot: AnyBot) -> None:
    """What ``load_extension`` calls: `add_to` with the settings of the environment and ``.env``.

    There is no ``teardown``: discord.py removes the cog, and with the cog goes everything that was opened.
    """
    await add_to(bot)


async def add_to(
    bot: AnyBot, settings: IntegrationsSettings | None = None, *, engine: AsyncEngine | None = None
) -> None:
    """Put the parts together and add the cog to *bot*; ``bot.remove_cog("Integrations")`` undoes it.

    *settings* are read from the environment when they are not given. An *engine* that is handed over is used
    instead of the database URL, and is never disposed of. Raises `SettingsError` with one sentence for whoever
    runs the bot; whatever goes wrong, what was opened is closed again.
    """
    opened = AsyncExitStack()
    try:
        await bot.add_cog(await _cog(bot, settings or IntegrationsSettings.read(), engine, opened))
    except BaseException:
        # discord.py does not call cog_unload when the name of the command or the cog is taken.
        await opened.aclose()
        raise


async def _cog(
    bot: AnyBot, settings: IntegrationsSettings, engine: AsyncEngine | None, opened: AsyncExitStack
) -> IntegrationsCog:
    tenancy = settings.tenancy
    providers = _catalog(settings)
    store = await _store(settings, engine, opened)
    gateway = ComposioGateway(api_key=settings.api_key.get_secret_value(), base_url=settings.base_url)
    opened.push_async_callback(gateway.close)
    service = IntegrationService(
        gateway=gateway,
        store=store,
        catalog=providers,
        clock=discord.utils.utcnow,
        notify=lambda change: bot.dispatch("integration_change", change),
    )
    flows = Flows(service=service, catalog=providers, tenancy=tenancy, dashboard_url=settings.dashboard_url)
    opened.push_async_callback(flows.close)
    opened.push_async_callback(service.close)  # closed first: what it ends or cancels, a flow still answers
    await _first_look(service)
    history_age = timedelta(days=settings.history_days)
    return IntegrationsCog(bot, flows=flows, service=service, history_age=history_age, resources=opened)


async def _first_look(service: IntegrationService) -> None:
    try:
        await service.refresh()
    except StorageUnavailableError as error:
        raise SettingsError(f"the database cannot be read: see the log, reference {error.reference}") from error


def _catalog(settings: IntegrationsSettings) -> catalog.Catalog:
    try:
        return catalog.load(settings.catalog)
    except CatalogError as error:
        raise CatalogError(f"INTEGRATIONS_CATALOG is wrong: {error}") from error


async def _store(settings: IntegrationsSettings, engine: AsyncEngine | None, opened: AsyncExitStack) -> Store:
    name = "the engine" if engine else "INTEGRATIONS_DATABASE_URL"
    try:
        if engine is None:
            engine = open_engine(settings.database_url.get_secret_value())
            opened.push_async_callback(engine.dispose)
        await prepare(engine)
    except DatabaseRefusedError as error:
        raise SettingsError(f"{name} is wrong: {error}") from error
    except StorageError as error:
        raise SettingsError(
            f"{name} cannot be used ({error}): check that the file or server can be reached and written"
        ) from error
    return Store(engine)
