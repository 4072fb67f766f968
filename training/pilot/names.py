"""Names, numbers and filler words drawn at random, so that copying is the only way to be right.

Two disjoint worlds: what training draws from, and what evaluation draws from (`held_out=True`). They differ in the
lists of real-looking names, in the syllables that invented names are built of, and in the filler words.
"""

import random
import string

_TRAIN = {
    "onset": "b br c cl d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w x y z".split(),
    "vowel": "a e i o u ai ea ou oo ie".split(),
    "coda": "n r s t l m x d k rd nt st sh ck ng lt mp".split(),
    "proc": """python3 postgres nginx node chrome dockerd rsync java redis-server cron ffmpeg Xorg gnome-shell apt
        kswapd0 containerd haproxy named dovecot smbd php-fpm7.4 ruby beam.smp uwsgi gunicorn sqlservr syncthing
        qemu-system-x86 lm-studio tailscaled snapd Web\\ Content kworker/2:1 node_exporter""".replace("\\ ", "_").split(),
    "host": "web1 db2 alpha nas pi4 build-07 mail gw edge-eu-3 ip-10-0-3-41 srv01 laptop cache03".split(),
    "user": "root admin deploy alice bob git www-data jenkins test oracle ubuntu pi ftp1 carol".split(),
    "mount": "/ /home /var /data /boot /mnt/backup /srv /opt /tmp /var/lib/docker /media/usb0".split(),
    "container": "nginx-proxy postgres redis web_1 app-db-1 traefik grafana jellyfin vaultwarden pihole".split(),
    "unit": "nginx.service docker.service ssh.service cron.service apt-daily.timer postgresql@15-main.service".split(),
    "dir": "srv opt var home usr data lib share app www log spool cache projects docs photos mail tmp".split(),
    "ext": "conf log py json txt md yml pdf jpg db sh tar.gz csv toml so html".split(),
    "domain": "example.com internal lan corp.net cluster.local acme.org".split(),
    "filler": """request session worker queue job table index cache packet frame cluster node shard bucket object record
        page batch task schedule message topic stream channel plugin module driver handler token key user account
        order invoice cart report snapshot volume image layer config setting schema field row column document
        client server peer proxy route gateway socket pipe buffer block sector inode cursor lease lock mutex
        reading writing loading parsing syncing flushing opening closing sending merging rotating scanning
        primary replica local remote internal nightly daily partial full old new main next last second""".split(),
}
_HELD_OUT = {
    "onset": "bl ch cr dw fr gl gn kr pl ph rh sc sk sl sm sn sp sw th tw vr wh zh sv".split(),
    "vowel": "ae au ee ei eu io oa oi ua y ue".split(),
    "coda": "p b f g nd nk rk rm rn sk sp th ft lk zz wn".split(),
    "proc": """mysqld mosquitto clickhouse caddy prometheus memcached mongod kubelet etcd nfsd firefox sshd-session
        pipewire transmission-da rsyslogd zfs-trim btrfs-scrub perl5.36 rustc ollama plex openvpn wireguard-go
        systemd-oomd unbound minio vector telegraf""".split(),
    "host": "orion hal9000 db-replica-4 rack12 vm-7f3 kiosk nuc media-box host42 atlas proxmox2".split(),
    "user": "dave erin postgres backup nagios guest support mallory svc_deploy hadoop ec2-user minecraft".split(),
    "mount": "/mnt/nas /var/log /usr /export/media /volumes/tank /scratch /mnt/ssd2 /var/lib/mysql /raid".split(),
    "container": "mariadb home-assistant immich_server paperless-ngx-1 uptime-kuma minio1 nextcloud-app gitea".split(),
    "unit": "mysql.service mosquitto.service caddy.service fstrim.timer wg-quick@wg0.service zfs-scrub.service".split(),
    "dir": "export vault media games music state run work build archive volumes site public backup2 models".split(),
    "ext": "ini service go rs xml bak png sqlite zip env pem lock js css parquet".split(),
    "domain": "home.arpa test.io local.net intra svc.prod widgets.co".split(),
    "filler": """thread fiber tile chunk mesh agent broker ledger manifest artifact pod zone region segment journal
        payload header cookie badge ticket voucher parcel sensor probe beacon widget gadget canvas glyph raster
        mailbox folder thumbnail playlist archive backupset fragment bitmap digest nonce epoch quota tenant
        fetching encoding hashing pruning polling binding mounting draining sorting packing uploading indexing
        tertiary shadow standby virtual outer weekly hourly final initial stale fresh upper lower third""".split(),
}


class Names:
    """Draws from one of the two worlds; `rng` decides everything."""

    def __init__(
        self, rng: random.Random, *, held_out: bool = False, template_held_out: bool = False
    ) -> None:
        self.rng = rng
        self.held_out = held_out
        self.template_held_out = template_held_out
        self.lists = _HELD_OUT if held_out else _TRAIN

    def pick(self, name: str) -> str:
        return self.rng.choice(self.lists[name])

    def word(self, most: int = 3) -> str:
        """An invented word; one in six is plain random letters."""
        rng = self.rng
        if rng.random() < 0.17:
            return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 8)))
        parts = [self.pick("onset") + self.pick("vowel") for _ in range(rng.randint(1, most))]
        return "".join(parts) + (self.pick("coda") if rng.random() < 0.6 else "")

    def filler(self, least: int = 1, most: int = 3) -> str:
        words = [self.pick("filler") for _ in range(self.rng.randint(least, most))]
        if self.rng.random() < 0.25:
            words[self.rng.randrange(len(words))] = self.word()
        return " ".join(words)

    def proc(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.15:
            return self.pick("proc")
        if shape < 0.5:
            return self.word()
        if shape < 0.62:
            return f"{self.word(2)}-{self.word(2)}"
        if shape < 0.70:
            return f"{self.word(2)}d"
        if shape < 0.76:
            return self.word(2).capitalize() + self.word(2).capitalize()
        if shape < 0.82:
            return f"{self.word(2)}_{self.word(2)}"
        if shape < 0.88:
            return f"{self.word(2)}{rng.randint(1, 99)}"
        if shape < 0.92:
            return f"{self.word(2)}.{rng.choice(['sh', 'py', 'bin', 'exe'])}"
        if shape < 0.96:
            return f"{self.word(2)}{rng.randint(1, 12)}.{rng.randint(0, 20)}"
        return f"{self.word(1)}-{self.word(1)}-{self.word(1)}"

    def host(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.2:
            return self.pick("host")
        if shape < 0.6:
            return self.word(2)
        if shape < 0.8:
            return f"{self.word(2)}{rng.randint(1, 99)}"
        return f"{self.word(1)}-{self.word(1)}-{rng.randint(1, 20)}"

    def domain(self) -> str:
        return f"{self.host()}.{self.pick('domain')}"

    def user(self) -> str:
        if self.rng.random() < 0.3:
            return self.pick("user")
        return self.word(2) + (str(self.rng.randint(1, 99)) if self.rng.random() < 0.2 else "")

    def mount(self) -> str:
        shape = self.rng.random()
        if shape < 0.3:
            return self.pick("mount")
        if shape < 0.6:
            return f"/{self.word(2)}"
        if shape < 0.8:
            return f"/mnt/{self.word(2)}"
        return f"/{self.pick('dir')}/{self.word(2)}"

    def container(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.15:
            return self.pick("container")
        if shape < 0.4:
            return self.word(2)
        if shape < 0.65:
            return f"{self.word(2)}-{self.word(2)}"
        if shape < 0.85:
            return f"{self.word(2)}-{self.word(1)}-{rng.randint(1, 9)}"
        return f"{self.word(2)}_{self.word(1)}_{rng.randint(1, 9)}"

    def unit(self) -> str:
        rng = self.rng
        if rng.random() < 0.15:
            return self.pick("unit")
        name = self.proc().replace("/", "-")
        if rng.random() < 0.12:
            name += f"@{self.word(1)}"
        return f"{name}.{rng.choice(['service', 'service', 'service', 'service', 'timer', 'mount', 'socket'])}"

    def file(self) -> str:
        rng = self.rng
        stem = self.word(2)
        if rng.random() < 0.3:
            stem += rng.choice(["-", "_", "."]) + rng.choice([self.word(1), str(rng.randint(0, 2030))])
        return f"{stem}.{self.pick('ext')}"

    def path(self) -> str:
        rng = self.rng
        middle = [self.pick("dir")]
        middle += [self.word(2) for _ in range(rng.randint(0, 2))]
        return "/" + "/".join([*middle, self.file()])

    def ip(self) -> str:
        rng = self.rng
        if rng.random() < 0.04:
            return f"2001:db8::{rng.randint(0, 65535):x}:{rng.randint(0, 65535):x}"
        if rng.random() < 0.3:
            return f"10.{rng.randint(0, 9)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))

    def port(self) -> str:
        rng = self.rng
        return str(rng.choice([22, 25, 80, 443, 5432, 6379, 8080]) if rng.random() < 0.3 else rng.randint(100, 65535))

    def addr(self) -> str:
        return f"{self.ip() if self.rng.random() < 0.7 else self.domain()}:{self.port()}"

    def dev(self) -> str:
        rng = self.rng
        letter = rng.choice("efghij" if self.held_out else "abcdklmn")
        return rng.choice(
            [
                f"sd{letter}",
                f"sd{letter}{rng.randint(1, 9)}",
                f"nvme{rng.randint(0, 9)}n{rng.randint(1, 3)}",
                f"dm-{rng.randint(0, 30)}",
                f"vd{letter}",
                f"md{rng.randint(0, 127)}",
            ]
        )

    def iface(self) -> str:
        rng = self.rng
        return rng.choice(
            [
                f"eth{rng.randint(0, 5)}",
                f"enp{rng.randint(0, 9)}s{rng.randint(0, 31)}",
                f"wlan{rng.randint(0, 2)}",
                f"wlp{rng.randint(1, 9)}s0",
                f"br-{self.hex(6)}",
                f"veth{self.hex(5)}",
                f"{self.word(1)}{rng.randint(0, 3)}",
            ]
        )

    def sensor(self) -> str:
        return self.rng.choice([self.word(2), f"{self.word(1)}_{self.word(1)}", f"{self.word(1)}{self.rng.randint(0, 9)}"])

    def hex(self, length: int) -> str:
        return "".join(self.rng.choices("0123456789abcdef", k=length))

    def ident(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.3:
            return f"{self.hex(8)}-{self.hex(4)}-{self.hex(4)}"
        if shape < 0.6:
            return self.hex(rng.choice([7, 8, 12]))
        return f"{self.word(1)}-{rng.randint(1, 9999)}"

    def exception(self) -> str:
        ending = self.rng.choice(["Error", "Exception"])
        name = self.word(2).capitalize() + (self.word(1).capitalize() if self.rng.random() < 0.5 else "")
        return name + ending

    def url(self) -> str:
        rng = self.rng
        parts = [self.rng.choice([self.word(2), self.pick("filler"), f"v{rng.randint(1, 9)}"]) for _ in range(rng.randint(1, 3))]
        tail = f"?{self.word(1)}={rng.randint(0, 999)}" if rng.random() < 0.2 else ""
        return "/" + "/".join(parts) + tail

    def number(self) -> str:
        """A whole number of one to seven digits, each length as likely."""
        digits = self.rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7])
        return str(self.rng.randint(10 ** (digits - 1), 10**digits - 1))
