"""Sixty log lines written by hand in the manner of well-known logs; never in training.

severity|entity|source|line, judged by the rules of the model card. `|` does not occur in the lines.
"""

from dataclasses import dataclass

from wakeful.attention.words import gravity

LINES = """
warning|203.0.113.77|log:/var/log/auth.log|Dec 10 06:55:46 LabSZ sshd[24200]: Failed password for invalid user webmaster from 203.0.113.77 port 38926 ssh2
warning|203.0.113.77|log:/var/log/auth.log|Dec 10 06:55:48 LabSZ sshd[24206]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.77 user=root
info|192.0.2.14|journald|sshd[2214]: Accepted publickey for marta from 192.0.2.14 port 50122 ssh2: ED25519 SHA256:mVPwvezndPv
critical|198.51.100.9|log:/var/log/auth.log|Dec 10 07:07:38 LabSZ sshd[24206]: reverse mapping checking getaddrinfo for ns.example.net [198.51.100.9] failed - POSSIBLE BREAK-IN ATTEMPT!
critical|mysqld|journald|kernel: Out of memory: Killed process 8123 (mysqld) total-vm:2097152kB, anon-rss:1048576kB, file-rss:0kB
critical|sdf|journald|kernel: blk_update_request: I/O error, dev sdf, sector 3907029160 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 0
critical|sdf1|log:/var/log/kern.log|Nov 20 03:12:11 tower kernel: [81723.120934] EXT4-fs (sdf1): Remounting filesystem read-only
critical|nginx|journald|kernel: nginx[1041]: segfault at 10 ip 000055d0c7e8 sp 00007ffd3c20 error 4 in nginx[55d0c7e00000+1a0000]
info|enp4s0|journald|kernel: e1000e: enp4s0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx
warning|enp4s0|journald|kernel: e1000e: enp4s0 NIC Link is Down
critical|sdh|journald|smartd[712]: Device: /dev/sdh [SAT], 8 Currently unreadable (pending) sectors
warning|mosquitto.service|journald|systemd[1]: mosquitto.service: Main process exited, code=exited, status=13/n/a
warning|mosquitto.service|journald|systemd[1]: mosquitto.service: Failed with result 'exit-code'.
info|fstrim.service|journald|systemd[1]: Started fstrim.service - Discard unused blocks on filesystems from /etc/fstab.
info|logrotate.service|journald|systemd[1]: logrotate.service: Deactivated successfully.
warning|caddy.service|journald|systemd[1]: Failed to start caddy.service - Caddy web server.
info||journald|CRON[9918]: (root) CMD (test -x /usr/sbin/anacron)
info|backup|journald|CRON[9921]: pam_unix(cron:session): session opened for user backup(uid=34) by (uid=0)
warning|10.0.0.9:25|log:/var/log/mail.log|Nov 20 03:12:09 mail postfix/smtp[311]: connect to 10.0.0.9:25: Connection refused
info||log:/var/log/mail.log|Nov 20 03:12:30 mail postfix/qmgr[880]: 4F1C2A0: from=<ann@example.org>, size=4312, nrcpt=1 (queue active)
warning|http://10.1.4.2:9000|log:/var/log/nginx/error.log|2026/11/20 03:12:10 [error] 31#31: *118 connect() failed (111: Connection refused) while connecting to upstream, client: 10.1.0.3, server: files.lan, request: "GET / HTTP/1.1", upstream: "http://10.1.4.2:9000"
warning||log:/var/log/nginx/error.log|2026/11/20 03:14:55 [error] 31#31: *131 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.1.0.3
info|/apps/photos/|log:/var/log/nginx/access.log|10.1.0.3 - - [20/Nov/2026:03:12:10 +0000] "GET /apps/photos/ HTTP/1.1" 200 4821 "-" "Mozilla/5.0"
warning|/api/upload|log:/var/log/nginx/access.log|10.1.0.3 - - [20/Nov/2026:03:12:12 +0000] "POST /api/upload HTTP/1.1" 500 170 "-" "okhttp/4.9"
info||log:/var/log/hadoop/datanode.log|081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38865049064139660 terminating
warning||log:/var/log/hadoop/datanode.log|081109 214043 2561 WARN dfs.DataNode$DataXceiver: 10.251.30.85:50010:Got exception while serving blk_-2918118818249673980 to /10.251.90.64
info||log:/var/log/spark/executor.log|17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: Registered signal handlers for [TERM, HUP, INT]
warning||log:/var/log/zookeeper.log|2015-07-29 19:04:29,079 - WARN  [SendWorker:188978561024:QuorumCnxManager$SendWorker@688] - Send worker leaving thread
info||log:/var/log/zookeeper.log|2015-07-29 17:41:41,536 - INFO  [main:QuorumPeerConfig@101] - Reading configuration from: /etc/zookeeper/conf/zoo.cfg
critical||log:/var/log/bgl.log|2005-06-03 15.42.50 R02-M1-N0 RAS KERNEL FATAL data TLB error interrupt
critical||log:/var/log/bgl.log|2005-06-11 19.20.25 R30-M0-N9 RAS APP FATAL ciod: failed to read message prefix on control stream
info||log:/var/log/apache/error.log|[Sun Dec 04 04:47:44 2005] [notice] workers.properties configured, 6 children
warning||log:/var/log/apache/error.log|[Sun Dec 04 04:47:45 2005] [error] mod_jk child workerEnv in error state 6
info||log:/var/log/postgresql.log|2026-11-20 03:10:00.118 UTC [61] LOG:  checkpoint complete: wrote 812 buffers (5.0%)
warning||log:/var/log/postgresql.log|2026-11-20 03:12:40.011 UTC [7120] ERROR:  deadlock detected
critical|base/16384/2619|log:/var/log/postgresql.log|2026-11-20 03:13:02.552 UTC [61] PANIC:  could not write to file "base/16384/2619": No space left on device
critical||log:/var/log/postgresql.log|2026-11-20 03:13:09.402 UTC [7124] FATAL:  the database system is in recovery mode
info||container:redis-cache|1:M 20 Nov 2026 03:12:01.118 * DB saved on disk
critical|redis-cache|container:redis-cache|1:M 20 Nov 2026 03:12:09.774 # Can't save in background: fork: Cannot allocate memory
warning|immich_server|container:immich_server|[Nest] 7  - 11/20/2026, 3:12:09 AM   ERROR [JobService] Unable to run job handler: ENOENT
warning|10.0.3.12:5432|container:immich_server|Error: connect ECONNREFUSED 10.0.3.12:5432
warning|paperless|container:paperless|[2026-11-20 03:12:09,551] [ERROR] [paperless.consumer] Error while consuming document scan_0042.pdf
info|paperless|container:paperless|[2026-11-20 03:12:01,020] [INFO] [celery.worker] Task documents.tasks.train_classifier succeeded in 0.31s
warning|KeyError|container:billing-api|KeyError: 'customer_id'
warning|NullPointerException|container:billing-api|2026-11-20 03:12:09.114 ERROR 1 --- [nio-8080-exec-3] o.a.c.c.C.[.[.[/]: java.lang.NullPointerException: Cannot invoke getId() on null
warning|db.svc:3306|container:orders|time="2026-11-20T03:12:09Z" level=error msg="dial tcp db.svc:3306: i/o timeout"
info|orders|container:orders|{"level":"info","ts":1795144329.1,"msg":"request served","path":"/v1/orders","status":200,"ms":12}
warning|orders|container:orders|{"level":"warn","ts":1795144331.7,"msg":"retrying request","attempt":3}
critical|web-front|containers|container web-front exited with code 137
info|web-front|containers|container web-front started
warning|web-front|containers|container web-front is unhealthy
critical|tunnel|containers|container tunnel was killed for memory
warning|/etc/ssh/sshd_config|files:/etc|modified /etc/ssh/sshd_config (3.2 kB): -PermitRootLogin no; +PermitRootLogin yes
critical|/etc/passwd|files:/etc|deleted /etc/passwd
info|/srv/scans/bill-0231.pdf|files:/srv/scans|created /srv/scans/bill-0231.pdf (1.2 MB)
warning|backup|command:backup|backup exited 1 (was 0): rsync: connection unexpectedly closed (0 bytes received so far)
info|backup|command:backup|backup exited 0 (was 1): 1204 files sent
warning|log:/var/log/secure|log:/var/log/secure|source log:/var/log/secure failed: permission denied; next try in 8 s
warning|mysqld|metrics|cpu 97.4%, memory 41.0%, swap 2.0%, load 8.80, disk / 50.1%, disk /home 71.0%, temperature coretemp 64C, busiest mysqld 91.0% cpu, largest chrome 2.1 GB
critical|/home|metrics|cpu 7.4%, memory 41.0%, load 0.80, disk / 50.1%, disk /home 98.2%, busiest mysqld 9.0% cpu, largest chrome 2.1 GB
"""

REASONS = {
    "backup exited 1": ("never seen before",),
    "cpu 97.4%": ("cpu 97.4%, usually 12.1%",),
    "cpu 7.4%": ("disk /home 98.2%, usually 71.0%",),
}
"""Why the lines stood out, by how they begin; the others were `never seen before`, and say what the gate reads in them."""


@dataclass(frozen=True, slots=True)
class Line:
    severity: str
    entity: str
    source: str
    text: str

    @property
    def reasons(self) -> tuple[str, ...]:
        for begin, why in REASONS.items():
            if self.text.startswith(begin):
                return why
        says = gravity(self.text)[1]
        return ("never seen before", says) if says and self.source != "metrics" else ("never seen before",)

    @property
    def form(self) -> str:
        return "metrics" if self.source == "metrics" else "lines"


def lines() -> list[Line]:
    """All of them, in order."""
    return [Line(*line.split("|", 3)) for line in LINES.strip().splitlines()]
