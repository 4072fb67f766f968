"""How LM Studio's SDKs find a server that they were given no address of: on one of five ports, by its greeting."""

from aiohttp import web

PORTS = (41343, 52993, 16141, 39414, 22931)
"""Asked in this order. Port 1234 is not among them."""

_HOST = "127.0.0.1"


async def announce(runner: web.AppRunner) -> int:
    """Let the server listen on the first of these ports that is free, too; gives it. Raises OSError if none is."""
    for port in PORTS:
        site = web.TCPSite(runner, _HOST, port)
        try:
            await site.start()
        except OSError:
            continue
        return int(runner.addresses[-1][1])
    raise OSError(
        f"None of the ports on which LM Studio's SDKs look for a server is free: {', '.join(map(str, PORTS))}."
    )
