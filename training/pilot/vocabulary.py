"""Writes the words of the sentences that the pilot is taught: `python -m training.pilot.vocabulary`.

All words that stand in what it should say, in training, and not in the observations and memories that it is shown.
"""

import random
from collections import Counter
from importlib.resources import files
from pathlib import Path

import msgspec

from training.pilot.dialogue import conversation
from training.pilot.names import Names
from wakeful.mind.wording import words

DOCUMENTS, OFTEN = 30_000, 3
"""How many conversations are read, and how often a word must occur: what does so once is a name."""
_ENDS = ".,:;"


def unseen(shown: str, reply: str) -> list[str]:
    """The words of `reply` that are not in `shown`."""
    said = [each for each in msgspec.json.decode(reply, type=dict[str, object]).values() if isinstance(each, str)]
    there = words(shown.rpartition("\nNow: ")[0])
    found = [each for text in said for each in text.split() if each not in there]
    return [each.rstrip(_ENDS) for each in found if each.rstrip(_ENDS) not in there]


def main() -> None:
    names = Names(random.Random(1))
    counts: Counter[str] = Counter()
    for _ in range(DOCUMENTS):
        _, (_, shown), (_, reply) = conversation(names, 1)
        counts.update(unseen(shown, reply))
    kept = sorted(word for word, count in counts.items() if count >= OFTEN)
    path = Path(str(files("wakeful.mind"))) / "pilot_words.txt"
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    print(f"{len(kept)} words; {len(counts) - len(kept)} that occur less than {OFTEN} times were left out")


if __name__ == "__main__":
    main()
