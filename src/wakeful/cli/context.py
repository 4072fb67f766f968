"""`wakeful context show`: what the model would see now, part by part."""

import msgspec
from rich.console import Console
from rich.text import Text

from wakeful.cli.home import home_folder, index_file, journal_file
from wakeful.cli.model import connected
from wakeful.cli.runtime import find
from wakeful.cli.tending import recalled_kinds
from wakeful.cli.toolbox import build_acting
from wakeful.config import Settings
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Recall
from wakeful.mind import Part, Preview, preview

_BAR_WIDTH = 60


async def show_context(settings: Settings, *, as_json: bool, brief: bool) -> None:
    """Prints the prompt of the next thought; what is being waited for goes to standard error.

    Of the tools, those of MCP servers are left out: their programs would have to be started for it.
    """
    home = home_folder(settings)
    waiting = Console(stderr=True, highlight=False)
    async with (
        await Journal.open(journal_file(home), read_only=True) as journal,
        JournalIndex(journal, index_file(home)) as index,
        connected(settings, waiting.print, running=find(home)) as model,
    ):
        shown = await preview(
            journal,
            model.thinker,
            Recall(Memory(journal, index), kinds=recalled_kinds(model.thinker.facts)),
            stance=settings.thinking.stance,
            stances=settings.tuning.stance,
            prompt=settings.thinking.prompt,
            tools=build_acting(settings, journal, index).tools.described(),
            awake=find(home) is not None,
        )
    if as_json:
        print(msgspec.json.encode({"tokens": shown.tokens, "preview": shown}).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    if not brief:
        for part in shown.parts:
            _print(part, console)
    _print_bar(shown, console)


def _print(part: Part, console: Console) -> None:
    name = f"turn #{part.seq}" if part.seq else part.name
    kept = "read already" if part.kept else "new"
    console.print(Text(f"── {name} · {part.tokens:,} tokens · {kept}", "bold"))
    for role, text in part.texts:
        console.print(Text(f"{role}: ", "dim"), end="")
        console.print(Text(text))


def _print_bar(shown: Preview, console: Console) -> None:
    """All parts beside each other, as wide as their tokens; what is free, and the answer's room, last."""
    amounts = {
        name: sum(part.tokens for part in shown.parts if part.name in parts)
        for name, parts in (
            ("rules", ("rules",)),
            ("self-model and summaries", ("self-model", "summary", "earlier")),
            ("turns", ("turn",)),
            ("moment", ("moment",)),
        )
    }
    amounts |= {"free": max(shown.room_tokens - shown.tokens, 0), "answer": shown.answer_tokens}
    bar = Text()
    for tokens, mark, style in zip(
        amounts.values(), "█▚▓▒░·", ("cyan", "green", "blue", "yellow", "dim", "magenta"), strict=True
    ):
        bar.append(mark * round(_BAR_WIDTH * tokens / max(shown.context_tokens, 1)), style)
    console.print(bar)
    console.print(", ".join(f"{name} {tokens:,}" for name, tokens in amounts.items()), end=" ")
    counted = "counted by the model's own tokenizer" if shown.exact else "estimated on the safe side"
    console.print(f"of {shown.context_tokens:,} tokens, {counted}")
