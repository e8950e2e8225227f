"""What goes wrong here, in our own errors: nothing that SQLAlchemy or a driver raises leaves this package."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError


class StorageError(Exception):
    """The database could not be read or written; nothing is stored, except where a subclass says otherwise."""


class SilentError(StorageError):
    """The database did not answer in time; of a write it is not known whether it is stored."""


class UnknownOutcomeError(StorageError):
    """No answer came when a transaction was to end: it is not known whether it is stored."""


class DatabaseRefusedError(StorageError):
    """The database is not one that we may write to; the message is a sentence for the operator."""


class OutdatedError(Exception):
    """Somebody else wrote since the values that a write was based on were read; nothing was written."""


class UnderWayError(Exception):
    """A revoke of the same provider is not finished, which says itself what is left of it; nothing was written."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into `StorageError`, whose text holds no value of a row.

    The drivers' connection errors arrive as `OSError` or, before SQLAlchemy 2.1, as asyncpg raises them, and what
    SQLite's driver says of a value that it cannot hold as `OverflowError` or `UnicodeError`; everything else is
    wrapped by SQLAlchemy.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        # SQLAlchemy 2.0 lets through what asyncpg raises while it connects.
        if not (isinstance(error, _WRAPPED) or type(error).__module__.startswith("asyncpg.")):
            raise
        cause = getattr(error, "orig", None) or error
        if not getattr(error, "params", None):
            raise StorageError(f"{type(error).__name__}: {cause}") from error
        # PostgreSQL and its driver quote values; SQLite never does.
        driver = getattr(cause, "driver_exception", None) or cause.__cause__ or cause
        reason = cause if isinstance(cause, sqlite3.Error) else type(driver).__name__
        # Not chained: SQLAlchemy quotes the parameters, and whoever logs a traceback would tell them.
        raise StorageError(f"{type(error).__name__}: {reason}") from None


_WRAPPED = (SQLAlchemyError, OSError, OverflowError, UnicodeError)


@contextmanager
def of_driver() -> Iterator[None]:
    """Turn whatever a driver raises into `StorageError`, where it is used without SQLAlchemy."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(f"{type(error).__name__}: {error}") from error
