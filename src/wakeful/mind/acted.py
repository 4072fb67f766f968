"""What came of the mind's own actions, told to it at its next thought."""

from collections.abc import Collection

from wakeful.context import as_data
from wakeful.events import ActionResult, Observation
from wakeful.journal import Journal

_MOST = 4
_MAX_CHARS = 300


async def acted_notes(journal: Journal, since_ns: int, shown: Collection[Observation]) -> list[str]:
    """A line for each result since then that the thought is not shown as an observation, oldest first, bounded.

    What a tool gave is data, and stands in quotation marks.
    """
    newest = await journal.read(kinds=("action_result",), since_ns=since_ns, limit=_MOST, newest_first=True)
    seen = {observation.attrs.get("key", "") for observation in shown}
    results = [entry.event for entry in reversed(newest) if isinstance(entry.event, ActionResult)]
    wanted = [each for each in results if each.tool and "." not in each.key and each.key not in seen]
    return [
        f'Your action {_short(each.tool, 80)} was {each.outcome}: "{_short(each.text, _MAX_CHARS)}"' for each in wanted
    ]


def _short(text: str, max_chars: int) -> str:
    return as_data(text, max_chars=max_chars)
