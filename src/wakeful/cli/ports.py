"""Ports that somebody else has already."""

import errno

import psutil

from wakeful.events import WakefulError


class PortTaken(WakefulError):
    """Nobody can listen there: another program does, or it may not be had."""


def port_error(host: str, port: int, error: OSError) -> PortTaken:
    """What to tell when listening failed."""
    if error.errno == errno.EADDRINUSE:
        holder = _holder(port)
        by = f" by {holder}" if holder else ""
        return PortTaken(f"Port {port} is taken{by}.", hint="Choose another one with --port, or --port 0 for any.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortTaken(f"You may not listen at port {port}.", hint="Ports from 1024 on are free to use.")
    reason = error.strerror or str(error)
    return PortTaken(f"Can't listen at {host}:{port}: {reason}.", hint="Give an address of this machine with --host.")


def _holder(port: int) -> str:
    """Who listens at a port, as far as this user may know: `python3 (process 123)`, else ""."""
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (process {each.pid})"
    except (psutil.Error, OSError):
        return ""
    return ""
