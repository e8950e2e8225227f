"""``python -m cogs.integrations check``."""

from __future__ import annotations

import argparse
import asyncio
import sys


def main() -> int:
    """Do what the command line says; returns the exit code: 0, or 1 when a part does not work."""
    parser = argparse.ArgumentParser(
        prog="python -m cogs.integrations", description="The part of a bot that knows which apps are connected."
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    commands.add_parser("check", help="say whether the settings, the database and Composio work")
    parser.parse_args()
    from .check import check  # noqa: PLC0415 – help needs nothing of it

    return 0 if asyncio.run(check()) else 1


if __name__ == "__main__":
    sys.exit(main())
