"""The plugin's settings, from the environment or `.env`; read in `setup`, never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .mirror.errors import SettingsError
from .mirror.tenancy import PLACEHOLDER, Tenancy
from .names import LOOPBACK

COMPOSIO_URL = "https://backend.composio.dev"
DASHBOARD_URL = "https://app.composio.dev/accounts"
SHORTEST_INTERVAL = 5.0
SHORTEST_VERIFY_INTERVAL = 60.0  # each check may cost money
_LINK_LENGTH = 512  # of a link button: Discord's limit
_HINTS = {
    "COMPOSIO_API_KEY": "copy the project's API key from Composio's dashboard",
    "DISCORD_TOKEN": "copy the bot's token from the Discord developer portal",
}


class EnvironmentSettings(BaseSettings):
    """Settings whose mistakes are told in one line each."""

    # Fields go by their alias alone: by name too, a host's own DATABASE_URL or TOKEN would be taken for ours.
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    @classmethod
    def read(cls, **given: Any) -> Self:
        """The settings of the environment and `.env`; *given* ones, by the variables' names, win over both.

        Raises `SettingsError` that names the first setting that is missing or wrong, without a secret's value.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0])
            if first["type"] == "missing":
                raise SettingsError(f"{name} is missing: {_HINTS.get(name, 'set it')}") from None
            reason = first["msg"].removeprefix("Value error, ")
            raise SettingsError(f"{name} is wrong: {reason}") from None
        except UnicodeDecodeError as error:
            raise SettingsError(f".env cannot be read: it is not UTF-8 ({error.reason})") from None


class IntegrationsSettings(EnvironmentSettings):
    """What the plugin needs to know; each field is the environment variable of its alias."""

    api_key: SecretStr = Field(validation_alias="COMPOSIO_API_KEY")
    base_url: str = Field(default=COMPOSIO_URL, validation_alias="COMPOSIO_BASE_URL")
    user_id: str = Field(default="peterbot-user", validation_alias="INTEGRATIONS_COMPOSIO_USER_ID")
    guild_ids: Annotated[frozenset[int], NoDecode] = Field(
        default=frozenset(), validation_alias="INTEGRATIONS_GUILD_IDS"
    )
    database_url: SecretStr = Field(
        default=SecretStr("sqlite+aiosqlite:///integrations.db"), validation_alias="INTEGRATIONS_DATABASE_URL"
    )
    dashboard_url: str = Field(default=DASHBOARD_URL, validation_alias="INTEGRATIONS_DASHBOARD_URL")
    history_days: int = Field(default=90, ge=1, le=36_500, validation_alias="INTEGRATIONS_HISTORY_DAYS")
    forget_days: int = Field(default=30, ge=0, le=36_500, validation_alias="INTEGRATIONS_FORGET_DAYS")
    requests_per_minute: int = Field(
        default=600, ge=10, le=100_000, validation_alias="INTEGRATIONS_REQUESTS_PER_MINUTE"
    )
    sync_interval: float = Field(default=900, ge=0, le=86_400, validation_alias="INTEGRATIONS_SYNC_INTERVAL")
    connect: Literal["link", "dashboard"] = Field(default="link", validation_alias="INTEGRATIONS_CONNECT")
    verify_interval: float = Field(default=0, ge=0, le=2_592_000, validation_alias="INTEGRATIONS_VERIFY_INTERVAL")
    catalog: Path | None = Field(default=None, validation_alias="INTEGRATIONS_CATALOG")

    @property
    def tenancy(self) -> Tenancy:
        """Which Composio user belongs to which server. Raises `SettingsError` when that is not safe."""
        return Tenancy(self.user_id, self.guild_ids)

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("it holds characters that no API key has; copy it again")
        return SecretStr(text)

    @field_validator("sync_interval")
    @classmethod
    def _not_all_the_time(cls, value: float) -> float:
        if 0 < value < SHORTEST_INTERVAL:
            raise ValueError(f"it must be 0, for off, or at least {SHORTEST_INTERVAL:g} seconds")
        return value

    @field_validator("connect", mode="before")
    @classmethod
    def _one_of_two(cls, value: object) -> object:
        text = value.strip().lower() if isinstance(value, str) else value
        if text not in ("link", "dashboard"):
            raise ValueError('it must be "link" or "dashboard"')
        return text

    @field_validator("verify_interval")
    @classmethod
    def _not_for_nothing(cls, value: float) -> float:
        if 0 < value < SHORTEST_VERIFY_INTERVAL:
            raise ValueError(f"it must be 0, for never, or at least {SHORTEST_VERIFY_INTERVAL:g} seconds")
        return value

    @field_validator("base_url")
    @classmethod
    def _safe_for_a_key(cls, value: str) -> str:
        parts = _url(value)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("the API key would travel unencrypted; it must begin with https://")
        return value.rstrip("/")

    @field_validator("dashboard_url")
    @classmethod
    def _fits_a_button(cls, value: str) -> str:
        _url(value)
        if len(value) > _LINK_LENGTH:
            raise ValueError(f"a link button holds at most {_LINK_LENGTH} characters")
        return value

    @field_validator("user_id")
    @classmethod
    def _one_user(cls, value: str) -> str:
        value = value.strip()
        rest = value.replace(PLACEHOLDER, "")
        longest = value.replace(PLACEHOLDER, "9" * 20)  # a server id is a number of 64 bits
        if not value or len(longest) > 200 or not value.isprintable():
            raise ValueError("it must be 1 to 200 printable characters")
        if set("{}") & set(rest):
            raise ValueError(f"the only placeholder is {PLACEHOLDER}")
        if set("`,") & set(value) or value.split() != [value]:
            raise ValueError("spaces, commas and backticks cannot be part of a user id")
        return value

    @field_validator("guild_ids", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        wrong = [part for part in parts if not (part.isascii() and part.isdigit() and len(part) <= 20)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not a server id; write numbers with commas between them")
        return frozenset(int(part) for part in parts)


def _url(value: str) -> Any:
    try:
        parts = urlsplit(value)
        port_is_a_number = parts.port is None or parts.port >= 0
    except ValueError:
        port_is_a_number = False
        parts = urlsplit("")
    usable = parts.scheme in ("http", "https") and parts.hostname and port_is_a_number
    if not usable or "@" in parts.netloc or value.split() != [value]:
        raise ValueError("it must be an address that begins with https://, without spaces and without a user name")
    return parts


__all__ = ["EnvironmentSettings", "IntegrationsSettings"]
