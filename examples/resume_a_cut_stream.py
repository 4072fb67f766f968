"""A long answer that survives a crash of the model: what had come becomes the beginning of the rest.

python examples/resume_a_cut_stream.py "Tell me a story."
"""

import asyncio
import sys

from wakeful.lmstudio import AsyncLMStudioClient, ContentDelta, Finished, StreamBroken


async def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else "Tell me a story."
    async with AsyncLMStudioClient() as client, client.stream(question, max_tokens=8000, resume=3) as stream:
        try:
            async for event in stream:
                if isinstance(event, ContentDelta):
                    print(event.text, end="", flush=True)
                elif isinstance(event, Finished):
                    print(f"\n[taken up {event.result.resumed} times]")
        except StreamBroken as error:
            sys.exit(f"\n{error}\n{len(error.partial)} characters had come.")


if __name__ == "__main__":
    asyncio.run(main())
