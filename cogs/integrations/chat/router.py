"""What each command and each button does: check, call the service, build, answer.

A command and the button that does the same share one flow, and so one set of checks.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import discord
from discord.app_commands import Cooldown
from discord.ext import commands

from storage.integrations import Condition

from . import embeds, views, words
from .catalog import Catalog, Provider
from .composio import Account
from .errors import (
    ComposioError,
    IntegrationError,
    MissingRightError,
    NotAllowedHereError,
    NotConnectedError,
    OldButtonError,
    Right,
    StorageUnavailableError,
    TooSoonError,
)
from .results import Actor, SyncReport
from .service import CLOSE_SECONDS, IntegrationService
from .tenancy import Tenancy
from .views import Interaction

log = logging.getLogger(__name__)

# One sync for a person in five seconds: enough to see the effect of the last one first.
SYNC_COOLDOWN_SECONDS = 5.0
# A number in a custom id can be made by hand; the database takes no offset beyond 64 bits.
MAX_HISTORY_PAGE = 1_000_000
NO_MENTIONS = discord.AllowedMentions.none()


async def tell(interaction: Interaction, text: str, view: discord.ui.View = discord.utils.MISSING) -> None:
    """An ephemeral line, as the answer or after it."""
    answered = interaction.response.is_done()
    send = interaction.followup.send if answered else interaction.response.send_message
    await send(text, view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


def may(interaction: Interaction, right: Right) -> bool:
    """Whether Discord says that the person has the permission here."""
    permissions = interaction.permissions
    match right:
        case Right.ADMINISTRATOR:
            return permissions.administrator
        case Right.MANAGE_SERVER:
            return permissions.manage_guild or permissions.administrator


def require(interaction: Interaction, right: Right) -> None:
    """Raise `MissingRightError` unless the person may."""
    if not may(interaction, right):
        raise MissingRightError(right)


def actor(interaction: Interaction) -> Actor:
    """Who the history names."""
    return Actor(interaction.guild_id, interaction.user.id)


class Flows:
    """The flows, over the parts that they need."""

    def __init__(
        self, *, service: IntegrationService, catalog: Catalog, tenancy: Tenancy, dashboard_url: str
    ) -> None:
        self._service = service
        self._catalog = catalog
        self._tenancy = tenancy
        self._dashboard_url = dashboard_url
        self._questions: weakref.WeakSet[views.ConfirmView] = weakref.WeakSet()
        self._unanswered: set[asyncio.Future[None]] = set()
        self._cooldowns = commands.CooldownMapping[Interaction](
            Cooldown(1, SYNC_COOLDOWN_SECONDS),
            lambda interaction: (interaction.guild_id, interaction.user.id),
        )

    @asynccontextmanager
    async def answering(self, interaction: Interaction) -> AsyncIterator[None]:
        """Tell the person, and only them, when one of our errors ends what they asked for. Others pass."""
        ended = asyncio.get_running_loop().create_future()
        self._unanswered.add(ended)
        try:
            yield
        except IntegrationError as error:
            if isinstance(error, ComposioError):
                log.warning("composio: %s: %s", type(error).__name__, error)
            await tell(interaction, words.for_error(error))
        finally:
            self._unanswered.discard(ended)
            ended.set_result(None)

    async def close(self) -> None:
        """Take back the questions that are open, and let what is being answered end, for at most ten seconds."""
        for question in self._questions:
            question.stop()
        if self._unanswered:
            await asyncio.wait(self._unanswered, timeout=CLOSE_SECONDS)

    def _user_id(self, interaction: Interaction) -> str:
        return self._tenancy.composio_user_id(interaction.guild_id)

    async def show_list(self, interaction: Interaction, number: int = 1) -> None:
        """The list, as a new message, or as another page of the message whose button was pressed."""
        mirror = await self._service.look(self._user_id(interaction))
        page = embeds.overview(self._catalog, mirror, number)
        view = views.list_view(page, mirror, self._dashboard_url)
        if interaction.type is discord.InteractionType.component:
            await interaction.response.edit_message(embed=page.embed, view=view, allowed_mentions=NO_MENTIONS)
        else:
            await interaction.response.send_message(embed=page.embed, view=view, allowed_mentions=NO_MENTIONS)

    async def sync(self, interaction: Interaction) -> None:
        """Sync, and say what changed; when Composio cannot be asked, say that and show what is known."""
        user_id = self._user_id(interaction)
        self._cool_down(interaction)
        await interaction.response.defer(thinking=True)
        try:
            report = await self._service.sync(user_id, actor(interaction))
        except ComposioError as error:
            log.warning("composio: %s: %s", type(error).__name__, error)
            await self._show_known(interaction, user_id, error)
            return
        await interaction.edit_original_response(
            embed=embeds.sync_report(self._catalog, report),
            view=views.link_view(self._dashboard_url),
            allowed_mentions=NO_MENTIONS,
        )

    async def _show_known(self, interaction: Interaction, user_id: str, error: ComposioError) -> None:
        mirror = await self._service.look(user_id)
        notice = f"{words.for_error(error)} {words.known_at(mirror)}"
        page = embeds.overview(self._catalog, mirror, notice=notice)
        await interaction.edit_original_response(
            embed=page.embed,
            view=views.list_view(page, mirror, self._dashboard_url),
            allowed_mentions=NO_MENTIONS,
        )

    async def sync_list(self, interaction: Interaction, number: int) -> None:
        """The list's own button: bring that message up to date, and tell who pressed what changed."""
        user_id = self._user_id(interaction)
        self._cool_down(interaction)
        await interaction.response.defer()
        report = await self._service.sync(user_id, actor(interaction))
        mirror = await self._service.look(user_id)
        page = embeds.overview(self._catalog, mirror, number)
        await interaction.edit_original_response(
            embed=page.embed,
            view=views.list_view(page, mirror, self._dashboard_url),
            allowed_mentions=NO_MENTIONS,
        )
        await self._report(interaction, report)

    async def _report(self, interaction: Interaction, report: SyncReport, text: str | None = None) -> None:
        await interaction.followup.send(
            content=text or discord.utils.MISSING,
            embed=embeds.sync_report(self._catalog, report),
            view=views.link_view(self._dashboard_url),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    def _cool_down(self, interaction: Interaction) -> None:
        now = interaction.created_at.timestamp()
        bucket = self._cooldowns.get_bucket(interaction, now)
        if bucket and (retry_after := bucket.update_rate_limit(now)):
            raise TooSoonError(retry_after)

    async def show_card(self, interaction: Interaction, name: str) -> None:
        """One provider's card, for the person alone."""
        user_id = self._user_id(interaction)
        provider = self._catalog.find(name)
        mirror = await self._service.look(user_id)
        await interaction.response.send_message(
            embed=embeds.card(provider, mirror),
            view=views.card_view(provider, mirror.get(provider.id), self._dashboard_url),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def toggle(self, interaction: Interaction, name: str, enabled: bool | None) -> None:
        """Move the switch, and show the card as it is now."""
        user_id = self._user_id(interaction)
        require(interaction, Right.MANAGE_SERVER)
        provider = self._catalog.find(name)
        # A command's answer is new and still "thinking"; a button's is the card that it sits on.
        is_command = interaction.type is discord.InteractionType.application_command
        await interaction.response.defer(ephemeral=True, thinking=is_command)
        try:
            switch = await self._service.toggle(user_id, provider, enabled, actor(interaction))
        except NotConnectedError as error:
            view = views.howto_button_view(provider, self._dashboard_url)
            await tell(interaction, words.for_error(error), view)
            return
        mirror = await self._service.look(user_id)
        notice = words.switched(provider, mirror.get(provider.id), changed=switch.changed)
        await interaction.edit_original_response(
            content=None,  # the guard's refusal, when the button sat there
            embed=embeds.card(provider, mirror, notice=notice),
            view=views.card_view(provider, mirror.get(provider.id), self._dashboard_url),
            allowed_mentions=NO_MENTIONS,
        )

    async def howto(self, interaction: Interaction, name: str) -> None:
        """The instructions, for the person alone."""
        user_id = self._user_id(interaction)
        provider = self._catalog.find(name)
        await interaction.response.send_message(
            embed=embeds.howto(provider, user_id),
            view=views.howto_view(provider, self._dashboard_url),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def connected(self, interaction: Interaction, name: str) -> None:
        """“I've connected it”: sync, and say whether it shows."""
        user_id = self._user_id(interaction)
        provider = self._catalog.find(name)
        self._cool_down(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        report = await self._service.sync(user_id, actor(interaction))
        mirror = await self._service.look(user_id)
        await self._report(interaction, report, words.verdict(provider, mirror.get(provider.id)))

    async def ask_revoke(self, interaction: Interaction, name: str) -> None:
        """Look at Composio which accounts there are now, and ask whether to revoke them."""
        user_id = self._user_id(interaction)
        require(interaction, Right.ADMINISTRATOR)
        provider = self._catalog.find(name)
        await interaction.response.defer(ephemeral=True, thinking=True)
        accounts = await self._service.accounts(user_id, provider)
        if not accounts:
            await self._nothing_to_revoke(interaction, user_id, provider)
            return

        async def confirmed(press: Interaction) -> None:
            async with self.answering(press):
                await self._revoke(press, provider, accounts)

        question = views.ConfirmView(interaction, words.confirm_button(accounts), confirmed)
        self._questions.add(question)
        await interaction.edit_original_response(
            embed=embeds.confirmation(provider, accounts, user_id), view=question, allowed_mentions=NO_MENTIONS
        )

    async def _nothing_to_revoke(self, interaction: Interaction, user_id: str, provider: Provider) -> None:
        await self._service.revoke(
            user_id, provider, (), actor(interaction)
        )  # the mirror may still say that it is connected
        await interaction.edit_original_response(
            content=words.nothing_to_revoke(provider), view=views.link_view(self._dashboard_url)
        )

    async def _revoke(self, press: Interaction, provider: Provider, accounts: Sequence[Account]) -> None:
        user_id = self._user_id(press)
        require(press, Right.ADMINISTRATOR)
        await press.response.edit_message(content=words.REVOKING, embed=None, view=None)
        receipt = await self._service.revoke(user_id, provider, accounts, actor(press))
        await press.edit_original_response(
            content=None,
            embed=embeds.receipt(provider, receipt, self._dashboard_url),
            view=views.link_view(self._dashboard_url),
            allowed_mentions=NO_MENTIONS,
        )

    async def require_integration(self, interaction: Interaction, name: str) -> bool:
        """Whether a host's command may use a provider here; the person is told when it may not."""
        user_id = self._user_id(interaction)
        provider = self._catalog.find(name)
        row = self._service.known(user_id, provider)
        if row.condition is Condition.CONNECTED:
            return True
        if row.condition is not Condition.DISABLED:
            view = views.howto_button_view(provider, self._dashboard_url)
        elif may(interaction, Right.MANAGE_SERVER):
            view = views.enable_view(provider)
        else:
            view = discord.utils.MISSING
        await tell(interaction, words.guarded(provider, row), view)
        return False

    def enabled_toolkits(self, guild_id: int | None) -> list[str]:
        """Composio's slugs of what is connected and switched on for a server."""
        try:
            user_id = self._tenancy.composio_user_id(guild_id)
        except NotAllowedHereError:
            return []
        rows = [self._service.known(user_id, provider) for provider in self._catalog.providers]
        return [row.toolkit for row in rows if row.toolkit and row.condition is Condition.CONNECTED]

    def composio_user_id(self, guild_id: int | None) -> str:
        """The Composio user of a server. Raises `NotAllowedHereError` where there is none."""
        return self._tenancy.composio_user_id(guild_id)

    async def history(self, interaction: Interaction, name: str | None, number: int = 1) -> None:
        """A page of what happened, for the person alone; a button turns the page in place."""
        user_id = self._user_id(interaction)
        require(interaction, Right.MANAGE_SERVER)
        provider = self._catalog.find(name) if name else None
        size = embeds.HISTORY_PAGE
        found = await self._service.history(user_id, provider, offset=(number - 1) * size, limit=size + 1)
        embed = embeds.history(self._catalog, provider, found[:size], number)
        view = views.history_view(provider, number, more=len(found) > size)
        if interaction.type is discord.InteractionType.component:
            await interaction.response.edit_message(embed=embed, view=view, allowed_mentions=NO_MENTIONS)
        else:
            await interaction.response.send_message(
                embed=embed, view=view, ephemeral=True, allowed_mentions=NO_MENTIONS
            )

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """Do what a button or select of ours says. Custom ids can be made by hand: nothing in them is believed."""
        match action, argument.split(":"):
            case "card", [name]:
                await self.show_card(interaction, name)
            case "page", [number] if number.isdecimal():
                await self.show_list(interaction, int(number))
            case "sync", [number] if number.isdecimal():
                await self.sync_list(interaction, int(number))
            case "toggle", [name, "on" | "off" as target]:
                await self.toggle(interaction, name, target == "on")
            case "revoke", [name]:
                await self.ask_revoke(interaction, name)
            case "howto", [name]:
                await self.howto(interaction, name)
            case "history", [name, number] if number.isdecimal() and 0 < int(number) <= MAX_HISTORY_PAGE:
                await self.history(interaction, name or None, int(number))
            case "connected", [name]:
                await self.connected(interaction, name)
            case _:
                raise OldButtonError

    async def suggestions(self, interaction: Interaction, text: str) -> list[discord.app_commands.Choice[str]]:
        """Up to 25 providers that match; none where the person would be refused anyway."""
        try:
            mirror = await self._service.look(self._user_id(interaction))
        except StorageUnavailableError:
            mirror = None
        except IntegrationError:
            return []
        return [
            discord.app_commands.Choice(
                name=words.choice(provider, mirror.get(provider.id)) if mirror else provider.label,
                value=provider.id,
            )
            for provider in self._catalog.matching(text)[:25]
        ]
