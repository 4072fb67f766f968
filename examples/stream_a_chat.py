"""A conversation in the terminal, each answer as it is written. An empty line, or Ctrl-D, ends it.

python examples/stream_a_chat.py
"""

import sys

from wakeful.lmstudio import Chat, ContentDelta, LMStudioClient, LMStudioError


def main() -> None:
    chat = Chat(system="You answer briefly.")
    with LMStudioClient() as client:
        print("> ", end="", flush=True)
        for line in sys.stdin:
            if not line.strip():
                break
            chat.user(line.strip())
            try:
                with client.stream(chat) as stream:
                    for event in stream:
                        if isinstance(event, ContentDelta):
                            print(event.text, end="", flush=True)
                    chat.assistant(stream.text)
            except LMStudioError as error:
                sys.exit(f"\n{error}")
            print("\n> ", end="", flush=True)


if __name__ == "__main__":
    main()
