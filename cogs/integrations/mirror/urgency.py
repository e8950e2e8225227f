"""Whether somebody waits for what is done, or it happens by itself: people go first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_background: ContextVar[bool] = ContextVar("background", default=False)


@contextmanager
def background() -> Iterator[None]:
    """Nobody waits for what is done inside, nor for the tasks that are started there."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


def is_background() -> bool:
    """Whether nobody waits for what is being done."""
    return _background.get()
