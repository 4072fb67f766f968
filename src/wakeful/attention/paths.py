"""Which files guard access, so that a change of one is worth a thought whatever is usual."""

KEYS_NATS, GUARDS_NATS = 10.0, 6.5
"""For files that say who may come in, and for those that say what runs or whom this machine believes."""

_KEYS = ("/etc/passwd", "/etc/shadow", "/etc/sudoers", "/.ssh/authorized_keys", "/etc/pam.d")
_GUARDS = (
    "/etc/ssh/", "/.ssh/", "/etc/group", "/etc/gshadow", "/etc/crontab", "/etc/cron.", "/var/spool/cron",
    "/etc/systemd/", "/.config/systemd/", "/etc/hosts", "/etc/fstab", "/etc/ld.so.", "/etc/profile", "/etc/init.d/",
    "/etc/rc.local", "/etc/udev/", "/boot/", "/Library/LaunchDaemons/", "/Library/LaunchAgents/",
    "/System32/drivers/etc/", "/System32/Tasks/",
)  # fmt: skip
_HARMLESS = ("/.ssh/known_hosts", ".swp")


def guards(text: str) -> float:
    """Nats by the most sensitive path that `text` names, 0 for none."""
    text = text.replace("\\", "/")
    if any(part in text for part in _KEYS):
        return KEYS_NATS
    if any(part in text for part in _GUARDS) and not any(part in text for part in _HARMLESS):
        return GUARDS_NATS
    return 0.0
