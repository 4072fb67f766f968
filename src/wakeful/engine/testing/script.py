"""What the scripted model says, from whatever a person finds easiest to write: a text, a list, a function, a file."""

import inspect
import json
import runpy
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.runner.pieces import StopReason
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply, Script
from wakeful.engine.testing.sample import last_text, plain_reply

Answer = str | Reply | Call
"""One thing that the model says; a `Call` is an answer of that tool call alone."""

_Said = Answer | Awaitable[Answer]

Answers = Answer | Sequence[Answer] | Callable[[Generation], _Said] | Callable[[], _Said]
"""What a script is made of: one answer for all requests, a list of answers in turn, or a function."""

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class BadScript(EngineError):
    """A script can't be used."""


class ScriptedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[reply]]` of a script in TOML.

    when: given only where the last message contains this, without regard to case; "" for in turn
    json: said as JSON text, in place of `text`
    """

    when: str = ""
    text: str = ""
    json: Any = None
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    first_token_s: _Seconds = 0.0
    token_s: _Seconds = 0.0
    stop_reason: StopReason | None = None

    def reply(self) -> Reply:
        """As the model says it."""
        return Reply(
            text=self.text if self.json is None else json.dumps(self.json),
            reasoning=self.reasoning,
            calls=self.calls,
            first_token_s=self.first_token_s,
            token_s=self.token_s,
            stop_reason=self.stop_reason,
        )


class ScriptFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script in TOML."""

    reply: tuple[ScriptedReply, ...]


def as_script(answers: Answers, *more: Answer) -> Script:
    """A script that gives these answers, the last one again and again.

    A function gets the `Generation` that is asked for (a function without parameters gets nothing) and gives a text, a
    `Reply` or a `Call`; it may be a coroutine function. Raises BadScript.
    """
    if callable(answers):
        return _of_function(answers)
    listed = [answers] if isinstance(answers, (str, Reply, Call)) else list(answers)
    in_turn = [_reply(each) for each in (*listed, *more)]
    if not in_turn:
        raise BadScript("A script needs at least one answer.")
    given = iter(in_turn)

    def script(_: Generation) -> Reply:
        return next(given, in_turn[-1])

    return script


def read_script(file: Path) -> Script:
    """The script of a file: `.py` with a function `script`, or `.toml` with `[[reply]]`. Raises BadScript."""
    if not file.is_file():
        raise BadScript(f"{file} does not exist, or is no file.")
    if file.suffix == ".toml":
        return _of_toml(file)
    if file.suffix == ".py":
        return _of_python(file)
    raise BadScript(f"{file.name}: a script ends in .py or .toml.")


def _of_function(function: Any) -> Script:
    try:
        takes_nothing = not inspect.signature(function).parameters
    except (TypeError, ValueError):
        takes_nothing = False

    async def script(generation: Generation) -> Reply:
        said = function() if takes_nothing else function(generation)
        return _reply(await said if inspect.isawaitable(said) else said)

    return script


def _reply(answer: Any) -> Reply:
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, Call):
        return Reply(calls=(answer,))
    if isinstance(answer, str):
        return Reply(text=answer)
    raise BadScript(f"{answer!r} is no answer: give a text, a Reply or a Call.")


def _of_python(file: Path) -> Script:
    try:
        names = runpy.run_path(str(file))
    except Exception as error:  # whatever the user's file does wrong
        raise BadScript(f"{file.name} can't be run: {type(error).__name__}: {error}") from error
    if "script" not in names:
        raise BadScript(
            f"{file.name} defines no `script`.",
            hint="Write a function `def script(generation): return 'text'`, or a list `script = ['one', 'two']`.",
        )
    return as_script(names["script"])


def _of_toml(file: Path) -> Script:
    try:
        tree = tomllib.loads(file.read_text("utf-8-sig"))
        replies = msgspec.convert(tree, ScriptFile).reply
    except (OSError, UnicodeDecodeError) as error:
        raise BadScript(f"{file} can't be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadScript(f"{file.name}: no valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        known = ", ".join(ScriptedReply.__struct_fields__)
        message = str(error).replace("`", "").replace("$.", "")
        raise BadScript(f"{file.name}: {message}.", hint=f"A [[reply]] has: {known}.") from error
    when = [(each.when.casefold(), each.reply()) for each in replies if each.when]
    in_turn = [each.reply() for each in replies if not each.when]
    rest = as_script(in_turn) if in_turn else plain_reply

    def script(generation: Generation) -> Reply:
        said = last_text(generation).casefold()
        return next((reply for text, reply in when if text in said), None) or cast("Reply", rest(generation))

    return script
