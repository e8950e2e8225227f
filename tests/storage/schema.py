"""The newest schema, written down a second time on purpose: a change of a model or an old migration shows here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

TEXT = "text up to {}".format
SCHEMA: dict[str, dict[str, tuple[str, bool]]] = {
    "integrations_provider": {
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "state": (TEXT(32), False),
        "enabled": ("yes or no", False),
        "account_id": (TEXT(255), True),
        "account_name": (TEXT(100), True),
        "toolkit": (TEXT(255), True),
        "usable_accounts": ("integer", False),
        "status": (TEXT(64), True),
        "reason": (TEXT(300), True),
        "since": ("time", True),
        "revision": ("integer", False),
    },
    "integrations_sync": {
        "composio_user_id": (TEXT(255), False),
        "synced_at": ("time", False),
        "revision": ("integer", False),
        "fingerprint": (TEXT(120), True),
        "suspected_at": ("time", True),
        "suspected": ("a list", True),
    },
    "integrations_turn": {
        "composio_user_id": (TEXT(255), False),
        "due_at": ("time", False),
        "failures": ("integer", False),
        "check_at": ("time", True),
    },
    "integrations_edge": {
        "id": ("counter", False),
        "guild_id": ("eight bytes", False),
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "action": (TEXT(16), False),
        "before": (TEXT(32), False),
        "after": (TEXT(32), False),
        "at": ("time", False),
        "status": (TEXT(64), True),
        "reason": (TEXT(300), True),
        "enabled": ("yes or no", False),
        "flips": ("integer", False),
        "after_revoke": ("yes or no", False),
    },
    "integrations_alert": {
        "id": (TEXT(16), False),
        "guild_id": ("eight bytes", False),
        "composio_user_id": (TEXT(255), False),
        "items": ("a list", False),
        "began_at": ("time", False),
        "changed_at": ("time", False),
        "next_at": ("time", True),
        "attempts": ("integer", False),
        "sending_at": ("time", True),
        "channel_id": ("eight bytes", True),
        "message_id": ("eight bytes", True),
        "settled": ("yes or no", False),
    },
    "integrations_event": {
        "id": ("counter", False),
        "at": ("time", False),
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "action": (TEXT(16), False),
        "before": (TEXT(32), False),
        "after": (TEXT(32), False),
        "outcome": (TEXT(16), False),
        "guild_id": ("eight bytes", True),
        "person_id": ("eight bytes", True),
        "status": (TEXT(64), True),
        "reason": (TEXT(300), True),
        "accounts": ("integer", True),
        "accounts_gone": ("integer", True),
        "operation": (TEXT(32), True),
    },
    "integrations_switch": {
        "guild_id": ("eight bytes", False),
        "provider": (TEXT(64), False),
        "composio_user_id": (TEXT(255), False),
        "enabled": ("yes or no", False),
    },
    "integrations_operation": {
        "id": (TEXT(32), False),
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "account_ids": ("a list", False),
        "began_at": ("time", False),
        "alive_until": ("time", False),
        "guild_id": ("eight bytes", True),
        "person_id": ("eight bytes", True),
    },
    "integrations_attempt": {
        "id": (TEXT(32), False),
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "began_at": ("time", False),
        "expires_at": ("time", False),
        "alive_until": ("time", False),
        "account_id": (TEXT(255), True),
        "guild_id": ("eight bytes", True),
        "person_id": ("eight bytes", True),
    },
    "integrations_proof": {
        "composio_user_id": (TEXT(255), False),
        "account_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "account_updated_at": ("time", False),
        "at": ("time", False),
        "verdict": (TEXT(16), False),
        "whom": (TEXT(100), True),
    },
    "integrations_server": {
        "guild_id": ("eight bytes", False),
        "composio_user_id": (TEXT(255), False),
        "left_at": ("time", True),
        "alert_channel_id": ("eight bytes", True),
        "alert_role_id": ("eight bytes", True),
        "board_channel_id": ("eight bytes", True),
        "board_message_id": ("eight bytes", True),
        "board_shown": (TEXT(64), True),
    },
    "integrations_change": {
        "number": ("counter", False),
        "composio_user_id": (TEXT(255), True),
        "token": ("eight bytes", False),
        "txn": ("eight bytes", True),
    },
}
KEYS = {
    "integrations_provider": ["composio_user_id", "provider"],
    "integrations_sync": ["composio_user_id"],
    "integrations_event": ["id"],
    "integrations_switch": ["guild_id", "provider"],
    "integrations_operation": ["id"],
    "integrations_attempt": ["id"],
    "integrations_proof": ["composio_user_id", "account_id"],
    "integrations_server": ["guild_id"],
    "integrations_turn": ["composio_user_id"],
    "integrations_edge": ["id"],
    "integrations_alert": ["id"],
    "integrations_change": ["number"],
}
INDEXES: dict[str, dict[str, list[str]]] = {
    "integrations_provider": {},
    "integrations_sync": {"ix_integrations_sync_at": ["synced_at"]},
    "integrations_turn": {
        "ix_integrations_turn_due": ["due_at"],
        "ix_integrations_turn_check": ["check_at"],
    },
    "integrations_edge": {
        "ix_integrations_edge_guild": ["guild_id"],
        "ix_integrations_edge_user": ["composio_user_id"],
    },
    "integrations_alert": {"ix_integrations_alert_guild": ["guild_id", "settled"]},
    "integrations_event": {
        "ix_integrations_event_user": ["composio_user_id", "id"],
        "ix_integrations_event_at": ["at"],
        "ix_integrations_event_guild": ["guild_id"],
        "ix_integrations_event_operation": ["operation"],
    },
    "integrations_switch": {"ix_integrations_switch_user": ["composio_user_id"]},
    "integrations_operation": {},
    "integrations_attempt": {},
    "integrations_proof": {},
    "integrations_server": {
        "ix_integrations_server_user": ["composio_user_id"],
        "ix_integrations_server_left": ["left_at"],
    },
    "integrations_change": {"ix_integrations_change_txn": ["txn"]},
}
UNIQUE = {"ix_integrations_event_operation"}


def kind(column: Any, dialect: str) -> str:
    """The type of a column in words that hold for every database."""
    match column["type"]:
        case sa.String(length=length):
            return TEXT(length)
        case sa.Boolean():
            return "yes or no"
        case sa.DateTime(timezone=zone):
            return "time" if zone or dialect == "sqlite" else "time without a zone"
        case sa.BigInteger():
            return "counter" if column.get("autoincrement") else "eight bytes"
        case sa.JSON():
            return "a list"
        case sa.Integer():
            return "counter" if column["name"] in ("id", "number") else "integer"
        case other:
            return repr(other)
