"""A board: what it shows, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias

from storage.integrations import Mirror, Wishes

from .answer import Answer

# After failures the pause doubles, from the first to the last of these.
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0
_DOUBLINGS = 20


class Shown(NamedTuple):
    """What a board shows, and a digest that leaves out when it was checked.

    ``fresh`` is False for what is stale or was never checked. What is fresh is stale in so many seconds, None for
    never.
    """

    answer: Answer
    digest: str
    fresh: bool
    stale_in: float | None = None


Render: TypeAlias = Callable[[Mirror, str], Shown]


@dataclass
class Standing:
    """What is remembered of a board while this process serves its server; where it stands is among the wishes.

    ``turn`` is held by who looks at it or moves it; ``again`` says that something changed meanwhile. Times are of
    the event loop's clock.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    timer: asyncio.TimerHandle | None = None
    rests_until: float = 0.0
    failures: int = 0
    refused: int = 0
    again: bool = False
    fresh: bool = False
    stale_in: float | None = None
    closed: bool = False
    deleted: int | None = None
    # Since when nobody knows whether the message with this mark was sent.
    unclear: tuple[str, datetime] | None = None
    # Nobody knows which message the database has for the board: it is to be read.
    doubtful: bool = False
    # Messages that were the board, or were to be, and are still to be deleted.
    old: list[tuple[int, int]] = field(default_factory=list)


def pause(failures: int) -> float:
    """For how many seconds it is left alone after so many failures in a row."""
    return min(FIRST_PAUSE * float(2 ** min(failures - 1, _DOUBLINGS)), LONGEST_PAUSE)


def where_of(wishes: Wishes | None) -> list[tuple[int, int]]:
    """The channel and the message of the board; nothing when there is none."""
    if wishes is None or not wishes.board_channel_id or not wishes.board_message_id:
        return []
    return [(wishes.board_channel_id, wishes.board_message_id)]


def mark_of(wishes: Wishes) -> str:
    """Of what takes the place of a board."""
    return f"{wishes.board_message_id:x}"
