"""The namespace `diagnostics`: what goes in and out of models."""

from contextlib import aclosing

from wakeful.engine.native.channel import Channel
from wakeful.engine.native.office import Office, Space, endless_exchange


def diagnostics() -> Space:
    """Its endpoints."""
    return Space("diagnostics", channels={"streamLogs": endless_exchange(_stream)})


async def _stream(office: Office, channel: Channel) -> None:
    async with channel.stoppable(), aclosing(office.logs.follow()) as lines:
        async for line in lines:
            await channel.send({"type": "log", "log": line})
