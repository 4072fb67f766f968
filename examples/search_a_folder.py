"""Embeds the paragraphs of all text files in a folder, and prints those that are nearest to a question.

python examples/search_a_folder.py FOLDER "why was the disk full?"
"""

import sys
from pathlib import Path

from wakeful.lmstudio import LMStudioClient

MODEL = "nomic-embed-text-v1.5"


def main() -> None:
    found: list[tuple[str, str]] = []
    for path in sorted(Path(sys.argv[1]).glob("**/*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(path.name, part.strip()) for part in text.split("\n\n") if part.strip()]
    with LMStudioClient() as client:
        # this model wants to know what a text is for; the server does not say so
        texts = client.embeddings.create([f"search_document: {part}" for _, part in found], model=MODEL)
        question = client.embeddings.create(f"search_query: {sys.argv[2]}", model=MODEL)[0]
    likeness = [sum(one * other for one, other in zip(text, question, strict=True)) for text in texts]
    for at in sorted(range(len(found)), key=lambda at: -likeness[at])[:3]:
        name, part = found[at]
        print(f"{likeness[at]:.2f}  {name}: {' '.join(part.split())[:100]}")


if __name__ == "__main__":
    main()
