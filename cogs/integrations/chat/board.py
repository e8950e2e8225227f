"""The board: what it shows, and the command that posts it."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from storage.integrations import Mirror

from ..mirror.catalog import Catalog
from ..mirror.errors import Right
from ..mirror.freshness import Freshness
from . import overview
from .answer import Answer, Reply
from .channels import lacking
from .context import Context
from .freshness import checked
from .posting import Outcome, Posted
from .rights import require
from .standing import Shown
from .targets import Channel, target

GONE = "This channel is gone."


def render(catalog: Catalog, freshness: Freshness, dashboard_url: str, mirror: Mirror, mark: str) -> Shown:
    """What a board shows; its message can be found by the *mark*."""
    at = mirror.synced_at
    age = checked(freshness, mirror.composio_user_id, at) if at else overview.NEVER
    answer = overview.board(catalog, mirror, age, dashboard_url, mark)
    fresh = at is not None and not freshness.is_stale(at)
    # Neither the time nor the reason is a change.
    lasting = overview.board(catalog, mirror, "fresh" if fresh else "stale" if at else "never", dashboard_url)
    return Shown(answer, _digest(lasting), fresh, freshness.stale_in(at) if fresh else None)


def _digest(answer: Answer) -> str:
    embed, view = answer.embed, answer.view
    parts = [embed.to_dict() if embed else None, view.to_components() if view else None]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def place(context: Context, reply: Reply, channel: Channel | None) -> None:
    """Post the board, here or in another channel, and say where it stands."""
    interaction = reply.interaction
    user_id, guild_id = context.user_id(interaction), cast("int", interaction.guild_id)
    require(interaction, Right.MANAGE_SERVER)
    to = target(interaction, channel)
    if not to.writable:
        await reply.show(Answer(text=f"You may not write in <#{to.id}>, so the board cannot go there."))
        return
    async with reply.soon():
        if lack := await context.poster.lack(guild_id, to.id):
            text = GONE if lack.gone else lacking(lack, to.id, "the board")
        else:
            posted = await context.boards.place(guild_id, user_id, to.id, f"{interaction.id:x}")
            text = _placed(posted, guild_id, to.id)
    await reply.show(Answer(text=text))


def _placed(posted: Posted, guild_id: int, channel_id: int) -> str:
    link = f"https://discord.com/channels/{guild_id}/{channel_id}/{posted.message_id}"
    match posted.outcome:
        case Outcome.DONE:
            return f"The board stands in <#{channel_id}>, and stays true by itself: {link}"
        case Outcome.CLOSED:
            return f"Discord does not let the bot post in <#{channel_id}>."
        case Outcome.CHANNEL_GONE | Outcome.MESSAGE_GONE:
            return GONE
        case Outcome.LATER | Outcome.REFUSED:
            return "Discord does not take the board just now. Try again in a minute."
        case Outcome.UNCLEAR:
            return (
                f"Discord has not said whether the board was posted. Look in <#{channel_id}> before you try again."
            )
