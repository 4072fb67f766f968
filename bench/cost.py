"""What it costs to be on: CPU and memory of `wakeful run` with default sources while no thought is in progress."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SETTLE_S, MEASURE_S = 25.0, 60.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"WAKEFUL_HOME": folder}
        command = [sys.executable, "-m", "wakeful.cli", "run", "--port", "0"]
        log = Path(folder) / "output.txt"
        with log.open("wb") as output:
            child = subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            mind = psutil.Process(child.pid)
            before, begun_s = mind.cpu_times(), time.monotonic()
            peak = 0
            while time.monotonic() - begun_s < MEASURE_S:
                peak = max(peak, mind.memory_info().rss)
                time.sleep(1.0)
            after, span_s = mind.cpu_times(), time.monotonic() - begun_s
            busy_s = after.user + after.system - before.user - before.system
            engine = sum(each.memory_info().rss for each in mind.children(recursive=True))
        finally:
            child.terminate()
            child.wait(10)
        thoughts = log.read_text(encoding="utf-8", errors="replace").count("expects:")
    print(f"over {span_s:.0f} s ({thoughts} thoughts printed in all, the first look before the measurement)")
    print(f"  CPU of the mind     {busy_s / span_s:>8.2%} of one core  (must be under 2 %)")
    print(f"  memory of the mind  {peak / 1e6:>8.1f} MB resident  (must be under 150 MB)")
    print(f"  memory of engine    {engine / 1e6:>8.1f} MB resident")


if __name__ == "__main__":
    main()
