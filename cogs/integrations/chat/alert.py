"""The message about what has stopped working: what, since when, why, what it means; and that it works again."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from storage.integrations import Alert, AlertItem, State

from ..mirror.alerting import UNSTABLE_FLIPS, is_over
from ..mirror.catalog import Catalog
from .answer import Answer
from .buttons import ActionButton, dashboard, row_of
from .limits import DESCRIPTION, FIELD_VALUE, GREEN, GREY, ORANGE, RED
from .states import why
from .text import ago, clean, count, seconds_in_words, shorten, size

RENEW, RECONNECT, ALL = "renew", "reconnect", "alerted"
# An embed holds 25 fields and 6,000 characters over all, of which the title takes some.
_FIELDS, _BUDGET = 24, 5600
_NAME = 110
_COLOURS = {"🔴": RED, "🟠": ORANGE, "🟢": GREEN, "⚪": GREY}
_WORDS = {
    "🔴": ("is not connected any more", "are not connected any more"),
    "🟠": ("needs reconnecting", "need reconnecting"),
    "🟢": ("works again", "work again"),
    "⚪": ("was taken away", "were taken away"),
}


def message(catalog: Catalog, dashboard_url: str, alert: Alert, *, connects: bool) -> Answer:
    """An alert as it is now. It names neither people nor accounts; *connects* says whether there are links."""
    embed = discord.Embed(title=_title(catalog, alert), colour=_COLOURS[_worst(alert.items)])
    if len(alert.items) == 1:
        embed.description = _about(catalog, alert.items[0], DESCRIPTION // 2)
    else:
        room = min(_BUDGET // min(len(alert.items), _FIELDS) - _NAME, FIELD_VALUE)
        for item in alert.items[:_FIELDS]:
            name = f"{_sign(item)} {_label(catalog, item)}"
            embed.add_field(name=name, value=_about(catalog, item, room), inline=False)
        if len(alert.items) > _FIELDS:
            embed.set_footer(text=f"… and {len(alert.items) - _FIELDS} more")
    return Answer(embed, row_of(*_buttons(alert, connects=connects), dashboard(dashboard_url)))


def _buttons(alert: Alert, *, connects: bool) -> list[ActionButton]:
    """Each carries the alert's id: by that its message is found again."""
    if is_over(alert):
        return [ActionButton(ALL, alert.id, label="Show all")]
    if not connects:
        return [howto(alert.id)]
    now = ActionButton(RENEW, alert.id, label="Reconnect now", style=discord.ButtonStyle.primary)
    return [now, howto(alert.id, discord.ButtonStyle.secondary)]


def howto(alert_id: str, style: discord.ButtonStyle = discord.ButtonStyle.primary) -> ActionButton:
    """The way to the instructions for what an alert tells of."""
    return ActionButton(RECONNECT, alert_id, label="How to reconnect", style=style)


def _title(catalog: Catalog, alert: Alert) -> str:
    items, sign = alert.items, _worst(alert.items)
    if len(items) == 1:
        said = "is unstable" if items[0].unstable else _WORDS[sign][0]
        return f"{sign} {_label(catalog, items[0])} {said}"
    over = sum(item.over and not item.unstable for item in items)
    if over == 0:
        return f"{sign} {len(items)} integrations stopped working"
    if over < len(items):
        # What is unstable may work at this moment.
        still = "need attention" if any(item.unstable for item in items) else "do not work"
        return f"{sign} {len(items) - over} of {len(items)} integrations still {still}"
    works = sum(item.works for item in items)
    return f"{sign} {count(works or len(items), 'integration')} {_WORDS[sign][works != 1]}"


def _worst(items: Sequence[AlertItem]) -> str:
    return min((_sign(item) for item in items), key=list(_COLOURS).index)


def _sign(item: AlertItem) -> str:
    if item.unstable:
        return "🟠"
    if item.over:
        return "🟢" if item.works else "⚪"
    return "🔴" if item.state is State.NOT_CONNECTED else "🟠"


def _label(catalog: Catalog, item: AlertItem) -> str:
    provider = catalog.by_id.get(item.provider)
    return clean(provider.label if provider else item.provider)


def _about(catalog: Catalog, item: AlertItem, room: int) -> str:
    """What there is to say of one, in at most *room* characters: the end of what is long is left out."""
    if item.over and item.worked_at and not item.unstable:
        took = seconds_in_words((item.worked_at - item.broke_at).total_seconds())
        if item.works:
            return f"It worked again after {took}, {ago(item.worked_at)}."
        return f"It was taken away here, {ago(item.worked_at)}; it had not worked for {took}."
    provider = catalog.by_id.get(item.provider)
    meaning = [f"{clean(provider.description).rstrip('.')}."] if provider else []
    # What is unstable may work at this moment, and then there is no why.
    reason = [] if item.unstable else [f"{_why(catalog, item)}."]
    return _fitting([_since(item), *reason, *meaning], room)


def _since(item: AlertItem) -> str:
    if item.unstable:
        return f"It comes and goes: {UNSTABLE_FLIPS} changes within an hour. More after an hour without a change."
    what = "Not connected any more" if item.state is State.NOT_CONNECTED else "Needs reconnecting"
    return f"{what}; it stopped working {ago(item.broke_at)}."


def _why(catalog: Catalog, item: AlertItem) -> str:
    if item.state is State.NOT_CONNECTED and not item.status:
        return "Composio shows no account for it any more"
    return why(item.status, item.reason, _label(catalog, item))


def _fitting(lines: Sequence[str], room: int) -> str:
    """The first line whole, and the others share what room is left."""
    first, *more = lines
    share = (room - size(first)) // max(len(more), 1) - 1
    # What is cut off may have been escaped.
    return "\n".join([first, *(shorten(line, share).replace("\\…", "…") for line in more)])
