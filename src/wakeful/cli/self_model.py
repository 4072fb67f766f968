"""`wakeful memory self`: the self-model, its versions, and a person's changes."""

import difflib
import time

from rich.console import Console
from rich.text import Text

from wakeful.cli.home import home_folder, journal_file
from wakeful.cli.terminal import local_clock
from wakeful.config import Settings
from wakeful.journal import Journal
from wakeful.memory import Patch, revise, roll_back, versions


async def show_self_model(settings: Settings, *, version: int, history: bool) -> None:
    """Prints the newest version, a former one, or what each version changed."""
    console = Console(highlight=False, soft_wrap=True)
    async with await Journal.open(journal_file(home_folder(settings)), read_only=True) as journal:
        found = await versions(journal)
    if not found:
        console.print("There is no self-model yet.")
        return
    if not history:
        shown = next((each for each in found if each.version == version), found[-1] if not version else None)
        console.print(Text(shown.text if shown is not None else f"There is no version {version}."))
        return
    before: list[str] = []
    for each in found:
        console.print(Text(f"version {each.version}, {local_clock(each.at_ns)}, by {each.by}: {each.why}", "bold"))
        lines = each.text.splitlines()
        for line in difflib.ndiff(before, lines):
            if line[0] in "+-":
                console.print(Text(f"  {line}", "green" if line[0] == "+" else "red"))
        before = lines


async def change_self_model(settings: Settings, *, rollback: int, add: str, remove: str) -> None:
    """Makes a person's change, or goes back to a former version, and prints the outcome."""
    file = journal_file(home_folder(settings))
    async with await Journal.open(file, read_only=True):
        pass  # a journal that does not exist must not be made
    async with await Journal.open(file, lock=False) as journal:
        if rollback:
            made = await roll_back(journal, rollback, now_ns=time.time_ns())
        else:
            patch = Patch((add,) if add else (), (remove,) if remove else (), why="as the user said")
            made = await revise(journal, patch, now_ns=time.time_ns())
    print(f"Version {made.version}:\n{made.text}")
