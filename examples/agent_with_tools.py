"""An agent that reads the files of one folder to answer a question, in at most six rounds and five minutes.

python examples/agent_with_tools.py FOLDER "What went wrong last night?"
"""

import sys
from pathlib import Path

from wakeful.lmstudio import LMStudioClient, ToolRun

MOST_CHARACTERS = 4000


def main() -> None:
    folder = Path(sys.argv[1]).resolve()

    def list_files() -> list[str]:
        """The names of all files that can be read."""
        return sorted(path.name for path in folder.iterdir() if path.is_file())

    def read_file(name: str) -> str:
        """The end of a file.

        Args:
            name: as `list_files` gives it
        """
        path = (folder / name).resolve()
        if path.parent != folder:  # what the model asks for is not to be trusted
            raise PermissionError(f"{name} is not in the folder")
        return path.read_text(encoding="utf-8", errors="replace")[-MOST_CHARACTERS:]

    def told(run: ToolRun) -> None:
        print(f"[{run.call.name} {run.call.arguments}] {'failed' if run.error else 'ok'}", file=sys.stderr)

    with LMStudioClient() as client:
        done = client.act(sys.argv[2], [read_file, list_files], max_rounds=6, limit_s=300, on_tool=told, temperature=0)
    print(done.text)
    if done.stopped:
        sys.exit(f"It was stopped by its bound on {done.stopped}.")


if __name__ == "__main__":
    main()
