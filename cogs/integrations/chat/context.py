"""What every subject stands on: the use cases, the catalogue, and who waits for an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from storage.integrations import Mirror

from ..mirror.access import Access
from ..mirror.catalog import Catalog, Provider
from ..mirror.connecting import Connector
from ..mirror.errors import ComposioError, IntegrationError, NotAllowedHereError, Right
from ..mirror.freshness import Freshness
from ..mirror.places import Places
from ..mirror.proving import Prover
from ..mirror.revoking import Revoker
from ..mirror.service import IntegrationService
from ..mirror.tenancy import Tenancy
from .answer import Answer, Interaction, Reply
from .boards import Boards
from .delivery import Delivery
from .people import People
from .posting import Poster
from .questions import Questions
from .rights import CoolDown, is_of_server, may
from .troubles import for_error

log = logging.getLogger(__name__)

CLOSE_SECONDS = 4.1


@dataclass(frozen=True, kw_only=True)
class Context:
    """The parts, which stay the caller's to close. Without a *connector* apps are connected by hand only."""

    service: IntegrationService
    revoker: Revoker
    connector: Connector | None
    prover: Prover
    access: Access
    places: Places
    poster: Poster
    delivery: Delivery
    boards: Boards
    catalog: Catalog
    tenancy: Tenancy
    dashboard_url: str
    freshness: Freshness
    cool_down: CoolDown = field(default_factory=CoolDown)
    people: People = field(default_factory=People)
    questions: Questions = field(default_factory=Questions)
    _unanswered: set[asyncio.Future[None]] = field(default_factory=set)

    def user_id(self, interaction: Interaction) -> str:
        """The Composio user of the server. Raises `NotAllowedHereError`."""
        if not is_of_server(interaction):
            raise NotAllowedHereError
        return self.tenancy.composio_user_id(interaction.guild_id)

    async def look(self, interaction: Interaction) -> Mirror:
        """What is stored, as the server sees it. Raises `NotAllowedHereError` and `StorageUnavailableError`."""
        return await self.service.look(self.user_id(interaction), interaction.guild_id)

    def connects(self, interaction: Interaction) -> bool:
        """Whether the person may connect an app from here."""
        return self.connector is not None and may(interaction, Right.MANAGE_SERVER)

    def label(self, provider_id: str) -> str:
        """What people call a provider, also one that has left the catalogue."""
        provider = self.catalog.by_id.get(provider_id)
        return provider.label if provider else provider_id

    def asked(self, interaction: Interaction, name: str) -> tuple[str, Provider]:
        """The server's Composio user, and the provider called *name*.

        Raises `NotAllowedHereError` and `UnknownProviderError`.
        """
        return self.user_id(interaction), self.catalog.find(name)

    def may_post_again(self, guild_id: int) -> None:
        """Something was changed that may let the bot into a channel of the server again."""
        self.boards.opened(guild_id)
        self.delivery.opened(guild_id)

    @asynccontextmanager
    async def answering(self, reply: Reply) -> AsyncIterator[Reply]:
        """Tell the person, and only them, when one of our errors ends what they asked for. Others pass."""
        interaction = reply.interaction
        ended = asyncio.get_running_loop().create_future()
        self._unanswered.add(ended)
        self.people.met(interaction)
        if is_of_server(interaction):
            self.access.met(interaction.guild_id)
        try:
            yield reply
        except IntegrationError as error:
            log_trouble(error)
            await reply.add(Answer(text=for_error(error)))
        except BaseException:
            await reply.take_back()
            raise
        finally:
            self._unanswered.discard(ended)
            ended.set_result(None)

    async def close(self) -> None:
        """Let what is being answered end; what the use cases cut off has still to be told."""
        if self._unanswered:
            await asyncio.wait(self._unanswered, timeout=CLOSE_SECONDS)


def log_trouble(error: IntegrationError) -> None:
    """Say in the log why Composio could not be asked; what else can go wrong has said so already."""
    if isinstance(error, ComposioError):
        log.warning("composio: %s: %s", type(error).__name__, error)
