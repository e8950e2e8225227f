"""The ready-made bot's own setting; the plugin reads the others itself."""

from __future__ import annotations

from pydantic import Field, SecretStr

from cogs.integrations.settings import EnvironmentSettings


class BotSettings(EnvironmentSettings):
    """What only `python -m bot` needs."""

    token: SecretStr = Field(validation_alias="DISCORD_TOKEN", min_length=1)
