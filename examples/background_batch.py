"""Sums up many texts in the background: it steps back for whoever uses the model, and goes on after an error.

python examples/background_batch.py FOLDER
"""

import asyncio
import sys
from pathlib import Path

from wakeful.lmstudio import AsyncLMStudioClient, LMStudioError, Neighbour, Priority, batch


async def main() -> None:
    paths = sorted(Path(sys.argv[1]).glob("*.txt"))
    async with AsyncLMStudioClient(neighbour=Neighbour(slots=1)) as client:

        async def sum_up(path: Path) -> str:
            text = path.read_text(encoding="utf-8", errors="replace")
            asked = f"In one sentence, what is this?\n\n{text[:20_000]}"
            return (await client.chat(asked, priority=Priority.BACKGROUND, max_tokens=100)).text

        def told(done: int, total: int | None) -> None:
            print(f"{done} of {total}", file=sys.stderr)

        said = await batch(sum_up, paths, concurrency=2, on_progress=told, errors="return")
    for path, text in zip(paths, said, strict=True):
        print(f"{path.name}: {f'({text.message})' if isinstance(text, LMStudioError) else text}")


if __name__ == "__main__":
    asyncio.run(main())
