"""Exit codes, and how an error becomes one.

0  all is well; `run` or `serve` was stopped by Ctrl-C or a signal
1  something unexpected: please report it
2  the command was typed wrongly
3  the settings are wrong
4  the model server, or a model, can't be used
5  the journal can't be used: locked, full, read-only, damaged
6  the port is taken
"""

import sys
from collections.abc import Callable
from typing import NoReturn

from wakeful.events import WakefulError

OK, UNEXPECTED, USAGE, SETTINGS, MODEL, JOURNAL, PORT = range(7)


def guarded(command: Callable[[], int | None]) -> NoReturn:
    """Runs a command and ends the program with its exit code; known errors become one or two plain lines."""
    try:
        code = command() or OK
    except WakefulError as error:
        _say(error.message, error.hint)
        code = _code(error)
    except KeyboardInterrupt:
        code = OK
    except Exception as error:
        from wakeful.lmstudio import LMStudioError

        if not isinstance(error, LMStudioError):
            raise
        _say(error.message, error.hint)
        code = MODEL
    raise SystemExit(code)


def _say(message: str, hint: str) -> None:
    print(f"wakeful: {message}", file=sys.stderr)
    if hint:
        print(f"         {hint}", file=sys.stderr)


def _code(error: WakefulError) -> int:
    rooms = {
        "wakeful.config": SETTINGS,
        "wakeful.sources": SETTINGS,
        "wakeful.journal": JOURNAL,
        "wakeful.dashboard": PORT,
        "wakeful.cli.ports": PORT,
        "wakeful.memory": USAGE,
        "wakeful.mind.prompt": SETTINGS,
        "wakeful.mind.intentions": USAGE,
        "wakeful.mind": MODEL,
        "wakeful.actions": USAGE,
    }
    for cls in type(error).__mro__:
        for room, code in rooms.items():
            if cls.__module__.startswith(room):
                return code
    return UNEXPECTED
