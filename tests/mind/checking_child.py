"""Checks the journal in the folder that is named, until it is killed."""

import asyncio
import sys
from pathlib import Path

from wakeful.journal import Journal
from wakeful.mind.checking import Checking
from wakeful.mind.predictions import ledger


async def main(folder: Path) -> None:
    async with await Journal.open(folder / "journal.db") as journal:
        checking = Checking(journal, [ledger.Ledger()], kinds=ledger.KINDS, on_decided=lambda _: None)
        await checking.restore()
        (folder / "checks").touch()
        await checking.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
