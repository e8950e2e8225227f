"""The part of a bot that knows which apps are connected: ``await bot.load_extension("cogs.integrations")``.

For a host's own commands: `requires_integration`, `require`, and what `of` gives. When a sync, a check, a toggle
or a revoke of this process changes a provider, ``on_integration_change`` is dispatched on the bot with an
`IntegrationChange`.

discord.py imports this module on the event loop, so that it brings nothing heavy; `setup` does, in a thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .guard import AnyBot, Integrations, of, require, requires_integration
from .loading import Version, load

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from storage.integrations import Condition, alembic_include_object
    from storage.integrations import Event as IntegrationChange

    from .mirror.errors import CatalogError, NotAllowedHereError, SettingsError
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
    "alembic_include_object",
    "of",
    "require",
    "requires_integration",
    "setup",
]

_ASSEMBLY = f"{__name__}.assembly"
_version = Version()


async def setup(bot: AnyBot) -> None:
    """What ``load_extension`` calls: `add_to` with the settings of the environment and ``.env``.

    There is no ``teardown``: discord.py removes the cog, and with the cog goes everything that was opened.
    """
    assembly = await _version.assembly(_ASSEMBLY)
    await assembly.add_to(bot, None, None)


async def add_to(
    bot: AnyBot, settings: IntegrationsSettings | None = None, *, engine: AsyncEngine | None = None
) -> None:
    """Put the parts together and add the cog to *bot*; ``bot.remove_cog("Integrations")`` undoes it.

    *settings* are read from the environment when they are not given. An *engine* that is handed over is used
    instead of the database URL, and is never disposed of. Raises `SettingsError` with one sentence for whoever
    runs the bot; whatever goes wrong, what was opened is closed again.
    """
    assembly = await load(_ASSEMBLY)
    await assembly.add_to(bot, settings, engine)


# Where the names for hosts are that would be heavy to import: each at its first use.
_LAZY = {
    "CatalogError": (".mirror.errors", "CatalogError"),
    "Condition": ("storage.integrations", "Condition"),
    "IntegrationChange": ("storage.integrations", "Event"),
    "IntegrationsSettings": (".settings", "IntegrationsSettings"),
    "NotAllowedHereError": (".mirror.errors", "NotAllowedHereError"),
    "SettingsError": (".mirror.errors", "SettingsError"),
    "alembic_include_object": ("storage.integrations", "alembic_include_object"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(".hidden", __name__)  # a host's own `storage` hides ours
    module, attribute = _LAZY[name]
    # Not kept: after an unload the next ones are new, and a host has to catch what is raised then.
    return getattr(import_module(module, __name__), attribute)
