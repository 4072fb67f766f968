"""Metrics of the machine, and what to make of them."""

from training.pilot.case import Case
from training.pilot.names import Names
from wakeful.mind import readings

LIMITS = {  # (warning from, critical from), in percent or degrees; a busy processor alone is never critical
    "cpu": (90.0, 999.0),
    "memory": (90.0, 97.0),
    "swap": (90.0, 97.0),
    "disk": (90.0, 97.0),
    "temperature": (90.0, 97.0),
}


def grade(name: str, value: float) -> str:
    """The severity of one number."""
    warning, critical = LIMITS[name]
    return "critical" if value >= critical else "warning" if value >= warning else "info"


def metrics(names: Names, what: str = "") -> Case:
    """One line of metrics: at first look, or with one number that stood out; `what` of them, or any."""
    rng = names.rng
    f1 = lambda low, high: round(rng.uniform(low, high), 1)
    cpu, memory, load = f1(0.1, 89), f1(3, 89), rng.choice([rng.uniform(0, 2), rng.uniform(0, 12)])
    mounts = list(
        dict.fromkeys(
            [rng.choice(["/", "/", "/", names.mount()])]
            + [names.mount() for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
        )
    )
    disks = {mount: f1(1, 89) for mount in mounts}
    swap = f1(0.1, 89) if rng.random() < 0.4 else None
    sensor, heat = (names.sensor(), rng.randint(20, 89)) if rng.random() < 0.35 else ("", 0)
    iface, errors = "", 0.0
    busy, busy_percent = names.proc(), f1(0, 100)
    large, large_gb = names.proc(), f1(0.1, rng.choice([2, 9, 60]))
    what = (
        what
        or rng.choices(
            ["look", "cpu", "memory", "swap", "disk", "temperature", "net", "load", "rate"],
            [8 if names.held_out else 12, 5, 4, 2, 5, 3, 2, 1, 2],
        )[0]
    )
    usual = f1(0, rng.choice([9, 50, 80]))
    severity, entity, action = "info", "", ""
    reason = ""
    look: tuple[str, ...] = ()
    if what == "cpu":
        cpu = f1(75, 100) if rng.random() < 0.75 else f1(15, 75)
        busy_percent = f1(30, 800 if rng.random() < 0.2 else 100)
        severity, entity = grade("cpu", cpu), busy
        reason, focus, stands = f"cpu {cpu}%, usually {usual}%", f"cpu load from {busy}", f"cpu {cpu}%"
        assessment = f"cpu is at {cpu}%, usually {usual}%; {busy} uses {busy_percent}%."
        prediction, action = f"cpu load from {busy} goes on", f"look at process {busy}"
    elif what == "memory":
        memory, large_gb = f1(78, 100), f1(0.5, 64)
        severity, entity = grade("memory", memory), large
        reason, focus, stands = (
            f"memory {memory}%, usually {usual}%",
            f"memory used by {large}",
            f"memory {memory}%",
        )
        assessment = f"memory is at {memory}%, usually {usual}%; {large} holds {large_gb} GB."
        prediction, action = f"memory grows while {large} runs", f"look at process {large}"
    elif what == "swap":
        swap = f1(70, 100)
        severity, entity = grade("swap", swap), large
        reason, focus, stands = f"swap {swap}%, usually {usual}%", f"swap used by {large}", f"swap {swap}%"
        assessment = f"swap is at {swap}%, usually {usual}%; {large} holds {large_gb} GB."
        prediction, action = f"swap grows while {large} runs", f"look at process {large}"
    elif what == "disk":
        entity = rng.choice(mounts)
        percent = disks[entity] = f1(80, 100)
        severity = grade("disk", percent)
        if rng.random() < 0.4:
            hours = f1(0.2, 60)
            reason = f"disk {entity} {percent}%, full in about {hours} hours"
            assessment = f"{entity} is {percent}% full and has about {hours} hours left."
        else:
            reason = f"disk {entity} {percent}%, usually {usual}%"
            assessment = f"{entity} is {percent}% full, usually {usual}%."
        focus, stands = f"disk space on {entity}", f"disk {entity} {percent}%"
        prediction, action = f"{entity} fills further", f"find large files on {entity}"
    elif what == "temperature":
        sensor, heat = names.sensor(), rng.randint(75, 109)
        severity, entity = grade("temperature", heat), sensor
        reason, focus = f"temperature {sensor} {heat}C, usually {int(usual)}C", f"temperature of {sensor}"
        stands = f"temperature {sensor} {heat}C"
        assessment = f"{sensor} is at {heat}C, usually {int(usual)}C."
        prediction, action = f"{sensor} stays hot", "check the cooling"
    elif what == "net":
        iface, errors = names.iface(), f1(0.1, rng.choice([9, 900]))
        severity, entity = "warning", iface
        reason, focus = f"net {iface} errors {errors}/s, usually 0.0/s", f"network errors on {iface}"
        stands = f"net {iface} errors {errors}/s"
        assessment = f"{iface} has {errors} errors a second."
        prediction, action = f"errors on {iface} go on", f"check the link of {iface}"
    elif what == "load":
        load = rng.uniform(3, 60)
        entity = busy
        reason, focus, stands = (
            f"load {load:.2f}, usually {usual / 10:.2f}",
            f"load from {busy}",
            f"load {load:.2f}",
        )
        assessment = f"load is at {load:.2f}, usually {usual / 10:.2f}; {busy} uses {busy_percent}%."
        prediction = f"load from {busy} goes on"
    elif what == "rate":
        entity = names.iface()
        amount = f1(0.1, rng.choice([9, 900]))
        entity = rng.choice([f"rx {entity}", f"tx {entity}", "disk read", "disk write"])
        stands = f"{entity} {amount} MB/s"
        reason, focus = f"{stands}, usually {usual} MB/s", f"rate of {entity}"
        assessment = f"{entity} is at {amount} MB/s, usually {usual} MB/s."
        prediction = f"rate of {entity} goes on"
    else:
        first, focus = mounts[0], "the machine at first look"
        entity = "first look"
        stands = "; ".join(readings.QUIET)
        assessment = f"All is well: cpu {cpu}%, memory {memory}%, disk {first} {disks[first]}%."
        prediction = "no warning follows"
        for kind in rng.sample(
            ["cpu", "memory", "swap", "disk", "disk", "temperature"], rng.choice([0, 0, 1, 1, 2, 3])
        ):
            percent = f1(90, 100)
            if kind == "cpu":
                cpu = percent
            elif kind == "memory":
                memory = percent
            elif kind == "swap":
                swap = percent
            elif kind == "disk":
                disks[rng.choice(mounts)] = percent
            else:
                sensor, heat = names.sensor(), round(percent)
        values = {"cpu_percent": cpu, "memory_percent": memory, "swap_percent": swap or 0.0}
        values |= {f"disk_percent:{mount}": percent for mount, percent in disks.items()}
        values |= {f"temperature_c:{sensor}": float(heat)} if sensor else {}
        look = readings.reasons(values)
        worst = look[1].removesuffix(" is high")
        if look != readings.QUIET:
            stands = worst
        if worst.startswith("disk"):
            entity = worst.split()[1]
            severity, focus = grade("disk", disks[entity]), f"disk space on {entity}"
            assessment = f"{entity} is {disks[entity]}% full."
            prediction, action = f"{entity} fills further", f"find large files on {entity}"
        elif worst.startswith("memory"):
            entity, severity, focus = large, grade("memory", memory), f"memory used by {large}"
            assessment = f"memory is at {memory}%; {large} holds {large_gb} GB."
            prediction, action = f"memory grows while {large} runs", f"look at process {large}"
        elif worst.startswith("swap"):
            entity, severity, focus = large, grade("swap", swap or 0.0), f"swap used by {large}"
            assessment = f"swap is at {swap}%; {large} holds {large_gb} GB."
            prediction, action = f"swap grows while {large} runs", f"look at process {large}"
        elif worst.startswith("temperature"):
            entity, severity, focus = sensor, grade("temperature", heat), f"temperature of {sensor}"
            assessment = f"{sensor} is at {heat}C."
            prediction, action = f"{sensor} stays hot", "check the cooling"
        elif worst.startswith("cpu"):
            entity, severity, focus = busy, grade("cpu", cpu), f"cpu load from {busy}"
            assessment = f"cpu is at {cpu}%; {busy} uses {busy_percent}%."
            prediction, action = f"cpu load from {busy} goes on", f"look at process {busy}"
    if severity == "info":
        action = ""
    parts = [f"cpu {cpu}%", f"memory {memory}%"]
    parts += [f"swap {swap}%"] if swap is not None else []
    parts.append(f"load {load:.2f}")
    parts += [f"disk {mount} {percent}%" for mount, percent in disks.items()]
    parts += [f"temperature {sensor} {heat}C"] if sensor else []
    parts += [f"net {iface} errors {errors}/s"] if iface else []
    if rng.random() < 0.9 or busy == entity:
        parts.append(f"busiest {busy} {busy_percent}% cpu")
    if rng.random() < 0.85 or large == entity:
        parts.append(f"largest {large} {large_gb} GB")
    reasons = look or (reason,)
    if what in ("cpu", "memory", "disk") and rng.random() < 0.3:
        reasons = (reason, f"load {load:.2f}, usually {rng.uniform(0, 2):.2f}")
    if what not in ("look", "rate") and rng.random() < 0.2:
        more = rng.choice(["disk read", "disk write", f"rx {names.iface()}", f"tx {names.iface()}"])
        reasons = (*reasons, f"{more} {f1(0.1, 300)} MB/s, usually {f1(0, 9)} MB/s")
    return Case(
        "metrics",
        ", ".join(parts),
        severity,
        focus,
        stands,
        assessment,
        prediction,
        action,
        entity=entity,
        reasons=reasons,
        form="metrics",
        kind=f"metrics {what}",
    )
