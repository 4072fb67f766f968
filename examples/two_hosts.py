"""Two LM Studio hosts as one: the least busy one answers, and when one is down the other does.

python examples/two_hosts.py http://box:1234 http://mac:1234
"""

import asyncio
import sys

from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, Pool, batch

QUESTIONS = ["Is the disk full?", "Count to three.", "Say hello in one word."]


async def main() -> None:
    clients = [AsyncLMStudioClient(url, retry=NO_RETRY) for url in sys.argv[1:]]
    async with Pool(clients) as pool:
        for answer in await batch(pool.chat, QUESTIONS, concurrency=2 * len(clients)):
            print(answer.text)
        for host in pool.hosts:
            print(f"{host.base_url}: {'well' if not host.failures else f'rests for {host.rests_s:.0f} s'}")


if __name__ == "__main__":
    asyncio.run(main())
