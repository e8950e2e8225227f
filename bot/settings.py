"""The ready-made bot's own setting; the plugin reads the others itself."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from cogs.integrations.settings import EnvironmentSettings


class BotSettings(EnvironmentSettings):
    """What only `python -m bot` needs."""

    token: SecretStr = Field(validation_alias="DISCORD_TOKEN")

    @field_validator("token")
    @classmethod
    def _not_blank(cls, value: SecretStr) -> SecretStr:
        if not (text := value.get_secret_value().strip()):
            raise ValueError("it is blank; copy the bot's token from the Discord developer portal")
        return SecretStr(text)
