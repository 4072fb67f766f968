"""`wakeful run`: puts the parts together, starts them in order, and ends them within two seconds."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import wakeful
from wakeful.actions import Outbox
from wakeful.attention import AttentionSettings
from wakeful.cli import runtime
from wakeful.cli.home import home_folder, journal_file
from wakeful.cli.model import connected
from wakeful.cli.board import Board
from wakeful.cli.terminal import Screen
from wakeful.cli.watching import build_sources
from wakeful.config import Settings
from wakeful.dashboard import Dashboard, Live
from wakeful.events import Observation, Session
from wakeful.journal import Journal, JournalFull, JournalIndex, prune
from wakeful.memory import Recall
from wakeful.mind import Mind, MindSettings
from wakeful.sources import run_sources

UPKEEP_S = 3600.0
"""Seconds between two looks at how large and old the journal is."""
