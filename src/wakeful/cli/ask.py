"""`wakeful ask`: a question to the mind that runs; where none does, to the journal and the model that would think."""

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.status import Status
from rich.text import Text

from wakeful.cli.home import home_folder, index_file, journal_file
from wakeful.cli.model import PILOT_NOTE, connected
from wakeful.cli.runtime import find
from wakeful.cli.streaming import answer_so_far, streamed
from wakeful.config import Settings
from wakeful.context import as_data, entry_line
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Recall
from wakeful.mind import Asked, ask, through_mind

_SHOWN_CHARS = 400


async def ask_mind(settings: Settings, question: str, *, as_json: bool) -> None:
    """Prints the answer and the entries that it used.

    What is being waited for, and the answer while it is written, goes to standard error.
    """
    home = home_folder(settings)
    file = journal_file(home)
    waiting = Console(stderr=True, highlight=False)
    async with await Journal.open(file, read_only=True):
        pass  # asking a journal that does not exist must not make one
    async with await Journal.open(file, lock=False) as journal:
        asked: Asked | None = None
        if _thinks(home):
            with waiting.status("asking the mind that runs") as status:
                async with streamed(find(home), settings.page.token, lambda answer: _show(status, answer)):
                    asked = await through_mind(question, journal, lambda: _thinks(home))
        asked = asked or await _by_itself(settings, home, question, journal, waiting)
    if as_json:
        evidence = [{"seq": entry.seq, "event": entry.event} for entry in asked.used]
        print(msgspec.json.encode({"answer": asked.answer, "evidence": evidence}).decode())
        return
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(Text(as_data(asked.answer.text, max_chars=4000)))
    for entry in asked.used:
        console.print(Text(f"  {entry_line(entry)}", "dim"))
    if asked.answer.pilot:
        waiting.print(Text(PILOT_NOTE, "dim"))


def _thinks(home: Path) -> bool:
    """Whether a mind runs that has a model."""
    running = find(home)
    return running is not None and bool(running.model)


async def _by_itself(settings: Settings, home: Path, question: str, journal: Journal, waiting: Console) -> Asked:
    async with (
        JournalIndex(journal, index_file(home)) as index,
        connected(settings, waiting.print, running=find(home)) as model,
    ):
        with waiting.status("thinking") as status:
            return await ask(
                question,
                journal,
                Recall(Memory(journal, index)),
                model.thinker,
                on_text=lambda written: _show(status, answer_so_far(written)),
            )


def _show(status: Status, answer: str) -> None:
    """Shows the end of an answer that is being written."""
    if answer:
        status.update(Text(as_data(answer, max_chars=4000)[-_SHOWN_CHARS:], "dim"))
