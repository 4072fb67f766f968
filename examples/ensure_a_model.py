"""Gets a model to think with, and never pushes out one that somebody uses.

python examples/ensure_a_model.py [MODEL]
"""

import sys

from wakeful.lmstudio import LMStudioClient, LMStudioError, NoModelLoaded


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with LMStudioClient() as client:
        try:
            client.wait_for_connection(limit_s=10)
            model = client.ensure_loaded(wanted)
        except NoModelLoaded as error:
            print(error)
            model = client.loaded_model()  # then the one that is there has to do
        except LMStudioError as error:
            sys.exit(str(error))
        print(f"{model.id} with {model.context_length or 'an unknown number of'} tokens of context")
        print(client.chat("Is the disk full?", model=model.id).text)


if __name__ == "__main__":
    main()
