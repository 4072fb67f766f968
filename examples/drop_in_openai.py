"""A program written for the openai package, on our connections: our retries, deadlines and errors in place of its own.

python examples/drop_in_openai.py
"""

import asyncio

import openai

from wakeful.lmstudio import AsyncLMStudioClient


async def a_program_that_knows_openai_only(llm: openai.AsyncOpenAI) -> None:
    chunks = await llm.chat.completions.create(
        model="qwen2.5-7b-instruct", messages=[{"role": "user", "content": "Count to three."}], stream=True
    )
    async for chunk in chunks:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


async def main() -> None:
    async with AsyncLMStudioClient() as client:
        try:
            await a_program_that_knows_openai_only(client.openai_client())
        except openai.OpenAIError as error:  # its own classes, as it expects them
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    asyncio.run(main())
