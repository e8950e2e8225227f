"""Names that both the light and the heavy part of the plugin know."""

from __future__ import annotations

COG = "Integrations"
NOT_LOADED = "The integrations of this bot are not available right now."
# Where a request does not leave this machine.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
