"""For a host whose own migrations are written by ``alembic revision --autogenerate``."""

from __future__ import annotations

from sqlalchemy.schema import SchemaItem

from .migrations import VERSION_TABLE
from .tables import metadata

_OURS = frozenset({VERSION_TABLE, *metadata.tables})


def alembic_include_object(
    _item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None
) -> bool:
    """Alembic's hook ``include_object``: False for our tables, which it would drop for want of a model.

    Their indexes and columns go with them. A table that the host has a model of is the host's, whatever its name.
    The schema does not matter: the same one has another name for who connects with another search path.
    """
    only_in_database = kind == "table" and reflected and compare_to is None
    return not (only_in_database and name in _OURS)
