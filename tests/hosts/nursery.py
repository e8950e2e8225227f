"""Runs the hosts of `test_wheel`, each in a process of its own; a script, for the Python that has the wheel.

Composio's client alone takes seconds to import. So the libraries that are not the wheel's are imported once,
and each host begins as a fork of that. It reads folders, one a line, runs ``main.py`` of each there with its
outputs in ``stdout`` and ``stderr``, and answers with the exit code.
"""

from __future__ import annotations

import gc
import os
import runpy
import sys
import traceback
from typing import NoReturn

import alembic.command
import composio_client
import discord.ext.commands
import pydantic_settings
import simcord.env
import sqlmodel
from sqlalchemy.dialects import postgresql, sqlite

LIBRARIES = (alembic, composio_client, discord, postgresql, pydantic_settings, simcord, sqlite, sqlmodel)


def live(folder: str) -> NoReturn:
    """Run the host to its end, and do without freeing all that the libraries hold."""
    os.chdir(folder)
    sys.path[0] = folder
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(stream.name.strip("<>"), os.O_WRONLY | os.O_CREAT), stream.fileno())
    code = 0
    try:
        runpy.run_path("main.py", run_name="__main__")
        gc.collect()  # what was left open warns now
    except BaseException:  # noqa: BLE001 – it is told, and the process ends
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        live(line.rstrip("\n"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.write(f"{code}\n")
    sys.stdout.flush()
