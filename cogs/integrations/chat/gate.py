"""The host's own check of who may use its bot: discord.py asks it for commands, and we for clicks."""

from __future__ import annotations

from discord.app_commands import AppCommandError

from .answer import Answer, Interaction, tell

REFUSED = "This bot does not let you use this here."


async def passes(interaction: Interaction) -> bool:
    """Whether the host's ``tree.interaction_check`` lets a click pass. If not, the person has been answered.

    What the check raises is a no, and goes to the host's ``tree.on_error``, as it does for a command; what that
    raises passes, when the person has been answered.
    """
    tree = interaction.client.tree
    raised = None
    try:
        if await tree.interaction_check(interaction):
            return True
    except Exception as error:  # noqa: BLE001 – it is the host's code
        raised = error
    interaction.command_failed = True
    try:
        if raised:
            await tree.on_error(interaction, _for_handler(raised))
    finally:
        if not interaction.response.is_done():
            await tell(interaction, Answer(text=REFUSED))
    return False


def _for_handler(error: Exception) -> AppCommandError:
    if isinstance(error, AppCommandError):
        return error
    wrapped = AppCommandError(f"the check of a click raised {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
