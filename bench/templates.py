"""Shapes of lines beside drain3, the reference implementation of Drain: how well they group, and what a line costs.

The lines are made from templates that are known, so that grouping can be judged: a template is grouped well when its
lines, and only they, have one shape (grouping accuracy as in Zhu et al. 2019).
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib import import_module
from typing import Any

from wakeful.attention.shape import shape

TEMPLATES = (
    "CRON[{n}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)",
    "systemd[1]: Started session-{n}.scope - Session {n} of User {user}.",
    "sshd[{n}]: Accepted publickey for {user} from 10.0.{b}.{b} port {n} ssh2",
    "sshd[{n}]: Failed password for invalid user {user} from 10.0.{b}.{b} port {n} ssh2",
    "sshd[{n}]: Connection closed by 10.0.{b}.{b} port {n} [preauth]",
    "dhclient[311]: DHCPACK of 10.0.0.{b} from 10.0.0.1 (xid=0x{n:08x})",
    "kernel: [{n}.123] usb 1-{b}: new high-speed USB device number {b} using xhci_hcd",
    "kernel: [{n}.123] usb 1-{b}: USB disconnect, device number {b}",
    "app: request {n} served in {b} ms",
    "app: request {n} failed after {b} ms: timeout",
    "app: user {user} logged in from 10.0.{b}.{b}",
    "app: cache miss for key '{user}-{n}'",
    "backup[{n}]: snapshot {n:08x}{n:08x} finished with 0 errors in {b}.2 s",
    "backup[{n}]: snapshot {n:08x}{n:08x} finished with {b} errors in {b}.2 s",
    "postgres[{n}]: LOG: checkpoint complete: wrote {n} buffers ({b}.1%)",
    "INFO dfs.DataNode: Receiving block blk_{n}{n} src: /10.0.{b}.{b}:{n} dest: /10.0.{b}.{b}:50010",
    "INFO dfs.DataNode: PacketResponder {b} for block blk_{n}{n} terminating",
    "WARN dfs.DataNode: Got exception while serving blk_{n}{n} to /10.0.{b}.{b}:",
    'nginx: 10.0.{b}.{b} - - "GET /api/items/{n} HTTP/1.1" 200 {n}',
    'nginx: 10.0.{b}.{b} - - "GET /api/items/{n} HTTP/1.1" 502 {n}',
)
USERS = ("anna", "bert", "git", "backup", "media", "root", "guest")
LINES = 100_000


def lines(rng: random.Random) -> list[tuple[int, str]]:
    made: list[tuple[int, str]] = []
    for _ in range(LINES):
        number = int(len(TEMPLATES) * rng.random() ** 2)
        text = TEMPLATES[number].format(n=rng.randint(100, 99_999), b=rng.randint(1, 250), user=rng.choice(USERS))
        made.append((number, text))
    return made


def judged(name: str, group: Callable[[str], int], made: list[tuple[int, str]]) -> None:
    begun_s = time.process_time()
    groups = [group(text) for _, text in made]
    took_us = (time.process_time() - begun_s) / len(made) * 1e6
    together: dict[int, Counter[int]] = defaultdict(Counter)
    for (template, _), found in zip(made, groups, strict=True):
        together[found][template] += 1
    sizes = Counter(template for template, _ in made)
    right = sum(
        size
        for found in together.values()
        for template, size in found.items()
        if len(found) == 1 and size == sizes[template]
    )
    print(f"  {name:8s} {right / len(made):.1%} of lines grouped well, {len(together)} groups; {took_us:.1f} us a line")


def drain() -> Callable[[str], int]:
    # drain3 is installed by `make bench` only
    config: Any = import_module("drain3.template_miner_config").TemplateMinerConfig()
    config.profiling_enabled = False
    miner: Any = import_module("drain3").TemplateMiner(config=config)
    return lambda text: int(miner.add_log_message(text)["cluster_id"])


def main() -> None:
    made = lines(random.Random(1))
    print(f"{LINES:,} lines of {len(TEMPLATES)} templates")
    judged("shape", shape, made)
    judged("drain3", drain(), made)


if __name__ == "__main__":
    main()
