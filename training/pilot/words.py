"""The two disjoint worlds of words: what training draws from, and what evaluation draws from.

One list a paragraph: its name, then its words; a line that is indented goes on with the list before it.
"""

TRAINING = """
onset: b br c cl d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w x y z
vowel: a e i o u ai ea ou oo ie
coda: n r s t l m x d k rd nt st sh ck ng lt mp
proc: python3 postgres nginx node chrome dockerd rsync java redis-server cron ffmpeg Xorg gnome-shell apt
  kswapd0 containerd haproxy named dovecot smbd php-fpm7.4 ruby beam.smp uwsgi gunicorn sqlservr syncthing
  qemu-system-x86 lm-studio tailscaled snapd Web_Content kworker/2:1 node_exporter
host: web1 db2 alpha nas pi4 build-07 mail gw edge-eu-3 ip-10-0-3-41 srv01 laptop cache03
user: root admin deploy alice bob git www-data jenkins test oracle ubuntu pi ftp1 carol
mount: / /home /var /data /boot /mnt/backup /srv /opt /tmp /var/lib/docker /media/usb0
container: nginx-proxy postgres redis web_1 app-db-1 traefik grafana jellyfin vaultwarden pihole
unit: nginx.service docker.service ssh.service cron.service apt-daily.timer postgresql@15-main.service
dir: srv opt var home usr data lib share app www log spool cache projects docs photos mail tmp
ext: conf log py json txt md yml pdf jpg db sh tar.gz csv toml so html
domain: example.com internal lan corp.net cluster.local acme.org
filler: request session worker queue job table index cache packet frame cluster node shard bucket object
  record page batch task schedule message topic stream channel plugin module driver handler token key user
  account order invoice cart report snapshot volume image layer config setting schema field row column
  document client server peer proxy route gateway socket pipe buffer block sector inode cursor lease lock
  mutex reading writing loading parsing syncing flushing opening closing sending merging rotating scanning
  primary replica local remote internal nightly daily partial full old new main next last second
"""

HELD_OUT = """
onset: bl ch cr dw fr gl gn kr pl ph rh sc sk sl sm sn sp sw th tw vr wh zh sv
vowel: ae au ee ei eu io oa oi ua y ue
coda: p b f g nd nk rk rm rn sk sp th ft lk zz wn
proc: mysqld mosquitto clickhouse caddy prometheus memcached mongod kubelet etcd nfsd firefox sshd-session
  pipewire transmission-da rsyslogd zfs-trim btrfs-scrub perl5.36 rustc ollama plex openvpn wireguard-go
  systemd-oomd unbound minio vector telegraf
host: orion hal9000 db-replica-4 rack12 vm-7f3 kiosk nuc media-box host42 atlas proxmox2
user: dave erin postgres backup nagios guest support mallory svc_deploy hadoop ec2-user minecraft
mount: /mnt/nas /var/log /usr /export/media /volumes/tank /scratch /mnt/ssd2 /var/lib/mysql /raid
container: mariadb home-assistant immich_server paperless-ngx-1 uptime-kuma minio1 nextcloud-app gitea
unit: mysql.service mosquitto.service caddy.service fstrim.timer wg-quick@wg0.service zfs-scrub.service
dir: export vault media games music state run work build archive volumes site public backup2 models
ext: ini service go rs xml bak png sqlite zip env pem lock js css parquet
domain: home.arpa test.io local.net intra svc.prod widgets.co
filler: thread fiber tile chunk mesh agent broker ledger manifest artifact pod zone region segment journal
  payload header cookie badge ticket voucher parcel sensor probe beacon widget gadget canvas glyph raster
  mailbox folder thumbnail playlist archive backupset fragment bitmap digest nonce epoch quota tenant
  fetching encoding hashing pruning polling binding mounting draining sorting packing uploading indexing
  tertiary shadow standby virtual outer weekly hourly final initial stale fresh upper lower third
"""


def lists(text: str) -> dict[str, list[str]]:
    """The lists of one world by name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            name, _, line = line.partition(": ")
            found[name] = []
        found[name] += line.split()
    return found
