"""Who may do what, and how often."""

from __future__ import annotations

from discord.app_commands import AppInstallationType, Cooldown
from discord.ext import commands

from ..mirror.errors import MissingRightError, Right, TooSoonError
from ..mirror.results import Actor
from .answer import Interaction

# One sync or check for a person in five seconds: enough to see the effect of the last one first.
SYNC_COOLDOWN_SECONDS = 5.0


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


def is_of_server(interaction: Interaction) -> bool:
    """Whether the server has the app, and not only a person who brought it along.

    A person's app follows them into servers that the bot has left. It need not be the person who clicks, whom
    discord.py's ``is_user_integration`` compares.
    """
    owners = interaction._integration_owners  # noqa: SLF001 – nothing public says that there is a person
    return AppInstallationType.USER not in owners or interaction.is_guild_integration()


def actor(interaction: Interaction) -> Actor:
    """Who the history names."""
    return Actor(interaction.guild_id, interaction.user.id)


class CoolDown:
    """One sync or check for each person in a while."""

    def __init__(self) -> None:
        self._buckets = commands.CooldownMapping[Interaction](
            Cooldown(1, SYNC_COOLDOWN_SECONDS),
            lambda interaction: (interaction.guild_id, interaction.user.id),
        )

    def spend(self, interaction: Interaction) -> None:
        """Raise `TooSoonError` when the last one was a moment ago."""
        now = interaction.created_at.timestamp()
        bucket = self._buckets.get_bucket(interaction, now)
        if bucket and (retry_after := bucket.update_rate_limit(now)):
            raise TooSoonError(retry_after)
