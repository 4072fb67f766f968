import asyncio
import math
import time

from wakeful.events import Observation


class TideSource:
    def __init__(self, harbour: str, every_s: float = 60.0) -> None:
        self.name, self.every_s = f"tide:{harbour}", every_s

    async def observe(self, resume: str):
        while True:
            metres = 2 + 1.5 * math.sin(time.time() / 7114)
            values = {"tide_m": round(metres, 2)}
            yield Observation(
                at_ns=time.time_ns(), source=self.name, form="metrics", text=f"tide {metres:.2f} m", values=values
            )
            await asyncio.sleep(self.every_s)


def odd(**settings: object) -> object:
    if settings:
        raise RuntimeError("no settings, please")
    return object()
