"""What things are called on one simulated host: drawn anew for each seed, so that nothing is tuned to a name."""

import random
from dataclasses import dataclass

_CONTAINERS = {
    "web": ("storefront", "gateway", "caddy", "frontend"),
    "api": ("orders", "billing", "catalog", "checkout"),
    "db": ("postgres", "orders-db", "pgmain", "maindb"),
    "cache": ("redis", "valkey", "sessions", "keydb"),
    "mail": ("mailer", "postfix", "smtp-relay", "newsletter"),
    "worker": ("importer", "thumbnailer", "indexer", "scraper"),
}
_SITES = ("shop.example.net", "store.example.org", "portal.example.com", "booking.example.net")
_ROOMS = ("cellar", "greenhouse", "attic", "nursery", "workshop", "garage", "pantry", "office")
_UNITS = ("nightly-report.service", "invoice-export.service", "geoip-update.service", "ledger-sync.service")
_MOUNTS = ("/srv", "/data", "/mnt/pool", "/home")
_USERS = ("alex", "robin", "kim", "sascha")
_MINERS = ("kdevtmpfsi", "xmrig", "ffmpeg", "rg")


@dataclass(frozen=True, slots=True)
class Names:
    """The cast of one host; `mount` is where data lies, `runaway` a process that will not stop."""

    web: str
    api: str
    db: str
    cache: str
    mail: str
    worker: str
    site: str
    rooms: tuple[str, ...]
    unit: str
    mount: str
    user: str
    disk: str
    nic: str
    runaway: str
    cache_address: str

    @property
    def containers(self) -> tuple[str, ...]:
        """All containers."""
        return self.web, self.api, self.db, self.cache, self.mail, self.worker


def draw(seed: int) -> Names:
    """The names of the host of a seed."""
    rng = random.Random(f"names/{seed}")
    return Names(
        **{role: rng.choice(names) for role, names in _CONTAINERS.items()},
        site=rng.choice(_SITES),
        rooms=tuple(rng.sample(_ROOMS, 4)),
        unit=rng.choice(_UNITS),
        mount=rng.choice(_MOUNTS),
        user=rng.choice(_USERS),
        disk=rng.choice(("sdb", "sdc", "nvme1n1")),
        nic=rng.choice(("eth0", "enp3s0", "eno1")),
        runaway=rng.choice(_MINERS),
        cache_address=f"10.0.0.{rng.randint(3, 90)}:6379",
    )


def stranger(rng: random.Random) -> str:
    """An address from outside."""
    return f"{rng.choice((45, 91, 103, 185, 212))}.{rng.randint(2, 250)}.{rng.randint(2, 250)}.{rng.randint(2, 250)}"
