"""`wakeful feedback`: the user's word on what was told."""

from pathlib import Path

import typer

from wakeful.dashboard import NothingToJudge, give_feedback
from wakeful.journal import Journal


async def feedback_on(file: Path, seq: int, *, useful: bool) -> None:
    """Journals it; a running mind learns from it at once, another one when it wakes."""
    async with await Journal.open(file, read_only=True):
        pass  # a journal that does not exist must not be made
    async with await Journal.open(file, lock=False) as journal:
        try:
            word = await give_feedback(journal, seq, useful=useful)
        except NothingToJudge as error:
            raise typer.BadParameter(str(error)) from None
    print(f"Noted: {', '.join(word.sources)} will be trusted {'more' if useful else 'less'}.")
