"""What goes wrong here, in our own errors: nothing that SQLAlchemy or a driver raises leaves this package."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError


class StorageError(Exception):
    """The database could not be read or written; nothing of the failed operation is stored."""


class DatabaseRefusedError(StorageError):
    """The database is not one that we may write to; the message is a sentence for the operator."""


class OutdatedError(Exception):
    """Somebody else wrote since the values that a write was based on were read; nothing was written."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into `StorageError`, whose text holds no value of a row.

    The drivers' connection errors arrive as `OSError` or, before SQLAlchemy 2.1, as asyncpg raises them, and what
    SQLite's driver says of a value that it cannot hold as `OverflowError` or `UnicodeError`; everything else is
    wrapped by SQLAlchemy.
    """
    try:
        yield
    except Exception as error:
        if not (isinstance(error, _WRAPPED) or type(error).__module__.startswith("asyncpg.")):
            raise
        told = _is_told(error)
        cause = getattr(error, "orig", None) or error
        reason = str(cause) if told else type(getattr(cause, "driver_exception", cause)).__name__
        # A cause would be told with its text by whoever logs this.
        raise StorageError(f"{type(error).__name__}: {reason}") from error if told else None


_WRAPPED = (SQLAlchemyError, OSError, OverflowError, UnicodeError)


def _is_told(error: Exception) -> bool:
    # PostgreSQL and its driver quote values. SQLite never does, and without parameters there are none.
    return isinstance(getattr(error, "orig", None), sqlite3.Error) or not getattr(error, "params", None)


@contextmanager
def of_driver() -> Iterator[None]:
    """Turn whatever a driver raises into `StorageError`, where it is used without SQLAlchemy."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(f"{type(error).__name__}: {error}") from error
