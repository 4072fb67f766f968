"""How do tests use it?"""

from wakeful.engine.faults.plan import (
    ClockJump,
    Close,
    ContentType,
    Crash,
    Duplicate,
    Endless,
    ErrorEvent,
    FaultPlan,
    Garble,
    HangUp,
    Offline,
    Overflow,
    Refuse,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    Unload,
)
from wakeful.engine.faults.read import read_plan
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply
from wakeful.engine.testing.server import LMStudioServer

__all__ = [
    "Call",
    "ClockJump",
    "Close",
    "ContentType",
    "Crash",
    "Duplicate",
    "Endless",
    "ErrorEvent",
    "FaultPlan",
    "Garble",
    "Generation",
    "HangUp",
    "LMStudioServer",
    "Offline",
    "Overflow",
    "Refuse",
    "Reply",
    "Reset",
    "Slow",
    "Stall",
    "Status",
    "Truncate",
    "Unload",
    "read_plan",
]
