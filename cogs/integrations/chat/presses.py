"""What a subject tells the router: which of its buttons does what, and where the answer goes.

Custom ids can be made by hand: nothing in an argument is believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..mirror.errors import OldButtonError
from .answer import Place, Reply
from .context import Context

# The database takes no offset beyond 64 bits.
MAX_PAGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Press:
    """What the press of a button does with the button's argument, and where its answer goes."""

    run: Callable[[Context, Reply, str], Awaitable[None]]
    place: Place = Place.MESSAGE


def page_number(argument: str) -> int:
    """The number of a page. Raises `OldButtonError` when it is none."""
    if argument.isdecimal() and len(argument) < 10 and 0 <= int(argument) <= MAX_PAGE:
        return int(argument)
    raise OldButtonError
