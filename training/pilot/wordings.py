"""Sentences of logs: message|focus|assessment|prediction|action.

Slots: {p} the program that speaks, {v} another program, {a} host:port, {u} user, {i} address, {d} device, {f} path,
{w} {w2} filler words, {n} {n2} numbers, {x} exception, {t} unit, {k} url, {h} host. What a focus names first is the
entity. `^` before a message: the kernel speaks. `~`: held out, training never sees it; its cue words (those that tell
the severity) do occur in other sentences.
"""

CRITICAL = """
^Out of memory: Killed process {n} ({v}) total-vm:{n2}kB|out of memory: {v}|The kernel killed {v} for memory, process {n}.|{v} is killed again|look at the memory of {v}
^{v} invoked oom-killer: gfp_mask=0x{n}, order=0|out of memory: {v}|{v} ran the machine out of memory.|{v} is killed again|look at the memory of {v}
^oom-kill: Killed process {n} ({v}), anon-rss:{n2}kB|out of memory: {v}|The kernel killed {v} for memory, process {n}.|{v} is killed again|look at the memory of {v}
~^Memory cgroup out of memory: Killed process {n} ({v}), uid {n2}|out of memory: {v}|The kernel killed {v} for memory, process {n}.|{v} is killed again|look at the memory of {v}
^I/O error, dev {d}, sector {n} op 0x0:(READ)|I/O errors on {d}|Disk {d} has I/O errors at {n}.|more errors on {d}|back up {d} now
^blk_update_request: I/O error, dev {d}, sector {n}|I/O errors on {d}|Disk {d} has I/O errors at {n}.|more errors on {d}|back up {d} now
^print_req_error: critical medium error, dev {d}, sector {n}|I/O errors on {d}|Disk {d} has I/O errors at {n}.|more errors on {d}|back up {d} now
~^Buffer I/O error on dev {d}, logical block {n}|I/O errors on {d}|Disk {d} has I/O errors at {n}.|more errors on {d}|back up {d} now
^EXT4-fs error (device {d}): {w}: bad block {n}|damaged file system on {d}|The file system on {d} is damaged.|more errors on {d}|check the file system of {d}
^BTRFS error (device {d}): bad tree block {n}|damaged file system on {d}|The file system on {d} is damaged.|more errors on {d}|check the file system of {d}
^EXT4-fs ({d}): Remounting filesystem read-only|read-only file system on {d}|{d} was made read-only after errors.|writes to {d} fail|check the file system of {d}
~^XFS ({d}): error, filesystem is now read-only|read-only file system on {d}|{d} was made read-only after errors.|writes to {d} fail|check the file system of {d}
Device: /dev/{d}, {n} Currently unreadable (pending) sectors|unreadable sectors on {d}|Disk {d} has {n} unreadable sectors.|{d} fails|replace disk {d}
Device: /dev/{d}, {n} Offline uncorrectable sectors|unreadable sectors on {d}|Disk {d} has {n} unreadable sectors.|{d} fails|replace disk {d}
^md/raid1:{d}: Disk failure, {n} of {n2} disks left|failed disk in {d}|Array {d} has lost a disk.|another disk fails|replace the disk in {d}
raid array {d} degraded: {n} of {n2} disks failed|failed disk in {d}|Array {d} has lost a disk.|another disk fails|replace the disk in {d}
^Kernel panic - not syncing: {w}|panic of {p}|{p} panicked: {w}.|the machine restarts|read the log of {p}
panic: {w} at {f}:{n}|panic of {p}|{p} panicked: {w}.|{p} panics again|read the log of {p}
PANIC: {w} {n}|panic of {p}|{p} panicked: {w}.|{p} panics again|read the log of {p}
~thread {n} caused panic: {w}|panic of {p}|{p} panicked: {w}.|{p} panics again|read the log of {p}
could not write to file "{f}": No space left on device|no space left for {f}|There is no space left to write {f}.|more writes fail|free space for {f}
write error on {f}: No space left on device|no space left for {f}|There is no space left to write {f}.|more writes fail|free space for {f}
write {f}: no space left on device|no space left for {f}|There is no space left to write {f}.|more writes fail|free space for {f}
[Errno 28] No space left on device: '{f}'|no space left for {f}|There is no space left to write {f}.|more writes fail|free space for {f}
~cannot extend {f} by {n} bytes: No space left on device|no space left for {f}|There is no space left to write {f}.|more writes fail|free space for {f}
{w} is corrupt: checksum mismatch in {f}|corruption of {f}|{f} is corrupt.|reads of {f} fail|restore {f} from backup
{f}: data corruption at offset {n}|corruption of {f}|{f} is corrupt.|reads of {f} fail|restore {f} from backup
~checksum error, {f} is corrupt at {n}|corruption of {f}|{f} is corrupt.|reads of {f} fail|restore {f} from backup
^{v}[{n}]: segfault at {n2} ip 00007f{n} error 4|crash of {v}|{v} crashed with a segfault.|{v} crashes again|look at why {v} crashed
{v}: segmentation fault (core dumped) in {w}|crash of {v}|{v} crashed with a segfault.|{v} crashes again|look at why {v} crashed
{v} crashed with signal {n}, core dumped|crash of {v}|{v} crashed.|{v} crashes again|look at why {v} crashed
~Process {n} ({v}) of user {n2} dumped core, segfault|crash of {v}|{v} crashed with a segfault.|{v} crashes again|look at why {v} crashed
reverse mapping for {h} [{i}] failed - POSSIBLE BREAK-IN ATTEMPT!|break-in attempt from {i}|{i} may be breaking in.|more attempts from {i}|block {i}
intrusion detected from {i}: {w}|break-in attempt from {i}|{i} may be breaking in.|more attempts from {i}|block {i}
{u} added to group sudo by uid {n}|administrator rights for {u}|{u} was given administrator rights.|{u} uses them|check who {u} is
^mce: [Hardware Error]: CPU {n}: Machine Check Exception|hardware error of CPU {n}|The hardware reports an error on CPU {n}.|more hardware errors|check the hardware
backup of {f} failed: {w}|failed backup of {f}|The backup of {f} failed: {w}.|the next backup fails too|repair the backup of {f}
~backup failed for {f} after {n} s|failed backup of {f}|The backup of {f} failed.|the next backup fails too|repair the backup of {f}
certificate for {h} has expired {n} days ago|expired certificate of {h}|The certificate of {h} has expired.|clients of {h} are refused|renew the certificate of {h}
FATAL: {w}|fatal error of {p}|{p} reports a fatal error: {w}.|{p} stays down|read the log of {p}
fatal error: {w} {n}|fatal error of {p}|{p} reports a fatal error: {w} {n}.|{p} stays down|read the log of {p}
~{w} gave a fatal error: {w2}|fatal error of {p}|{p} reports a fatal error: {w2}.|{p} stays down|read the log of {p}
Can't save in background: fork: Cannot allocate memory|no memory for {p}|{p} can't allocate memory.|{p} fails again|free memory for {p}
{w}: Cannot allocate memory|no memory for {p}|{p} can't allocate memory.|{p} fails again|free memory for {p}
"""

WARNING = """
connect to {a}: Connection refused|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
connect() failed (111: Connection refused) while connecting to upstream, upstream: {a}|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
could not connect to {a}: Connection refused|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
dial tcp {a}: connect: connection refused|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
connect ECONNREFUSED {a}|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
~{w} to {a} ended: Connection refused|connection refused by {a}|{p} can't reach {a}: connection refused.|{a} refuses again|check {a}
dial tcp {a}: i/o timeout|timeout of {a}|{a} does not answer {p} in time.|{a} stays silent|check {a}
upstream timed out (110: Connection timed out) while reading from {a}|timeout of {a}|{a} does not answer {p} in time.|{a} stays silent|check {a}
timeout after {n} ms waiting for {a}|timeout of {a}|{a} does not answer {p} in time.|{a} stays silent|check {a}
Connection to {a} timed out|timeout of {a}|{a} does not answer {p} in time.|{a} stays silent|check {a}
~{w} {n}: timeout on {a}|timeout of {a}|{a} does not answer {p} in time.|{a} stays silent|check {a}
lost connection to {a}, retrying in {n} s|lost connection to {a}|{p} lost its connection to {a}.|{p} connects again|check {a}
Connection reset by peer: {a}|lost connection to {a}|{p} lost its connection to {a}.|{p} connects again|check {a}
connection to {a} lost: {w}|lost connection to {a}|{p} lost its connection to {a}.|{p} connects again|check {a}
Failed password for {u} from {i} port {n} ssh2|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
Failed password for invalid user {u} from {i} port {n} ssh2|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
Invalid user {u} from {i} port {n}|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
pam_unix(sshd:auth): authentication failure; logname= uid={n} rhost={i} user={u}|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
authentication failure for user {u} from {i}|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
~Failed publickey for {u} from {i} port {n} ssh2|failed login from {i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
Accepted password for root from {i} port {n} ssh2|root login from {i}|root logged in by password from {i}.|more logins from {i}|check who {i} is
open() "{f}" failed (13: Permission denied)|permission denied: {f}|{p} was denied access to {f}.|{p} is denied again|check the rights of {f}
open {f}: permission denied|permission denied: {f}|{p} was denied access to {f}.|{p} is denied again|check the rights of {f}
[Errno 13] Permission denied: '{f}'|permission denied: {f}|{p} was denied access to {f}.|{p} is denied again|check the rights of {f}
~{w} {f} - Permission denied for {u}|permission denied: {f}|{p} was denied access to {f}.|{p} is denied again|check the rights of {f}
cannot open {f}: No such file or directory|missing file {f}|{p} does not find {f}.|{p} misses {f} again|find {f}
[Errno 2] No such file or directory: '{f}'|missing file {f}|{p} does not find {f}.|{p} misses {f} again|find {f}
stat {f}: no such file or directory|missing file {f}|{p} does not find {f}.|{p} misses {f} again|find {f}
~{f} is needed by {w}: No such file or directory|missing file {f}|{p} does not find {f}.|{p} misses {f} again|find {f}
{t}: Main process exited, code=exited, status={n}/FAILURE|failure of {t}|{t} failed with status {n}.|{t} fails again|look at the log of {t}
{t}: Failed with result 'exit-code'.|failure of {t}|{t} failed.|{t} fails again|look at the log of {t}
{t}: Failed with result 'timeout'.|failure of {t}|{t} failed.|{t} fails again|look at the log of {t}
Failed to start {t} - {w}.|failure of {t}|{t} failed.|{t} fails again|look at the log of {t}
{t}: Start request repeated too quickly.|failure of {t}|{t} failed.|{t} fails again|look at the log of {t}
~{t}: Control process exited, code=exited, status={n}/FAILURE|failure of {t}|{t} failed with status {n}.|{t} fails again|look at the log of {t}
{t}: Scheduled restart job, restart counter is at {n}.|restarts of {t}|{t} was restarted, {n} times in all.|{t} restarts again|look at the log of {t}
{x}: {w} {n}|{x} in {p}|{p} raised {x}: {w} {n}.|{x} comes again|look at {p}
{x}: {w}|{x} in {p}|{p} raised {x}: {w}.|{x} comes again|look at {p}
java.lang.{x}: {w} {n}|{x} in {p}|{p} raised {x}: {w} {n}.|{x} comes again|look at {p}
Unhandled exception {x}: {w}|{x} in {p}|{p} raised {x}: {w}.|{x} comes again|look at {p}
~{w2} ended in {x}: {w}|{x} in {p}|{p} raised {x}: {w}.|{x} comes again|look at {p}
"GET {k} HTTP/1.1" 502 {n} "-" "{v}"|HTTP error on {k}|{k} answers with error 502.|{k} fails again|check what serves {k}
"POST {k} HTTP/1.1" 500 {n} "-" "{v}"|HTTP error on {k}|{k} answers with error 500.|{k} fails again|check what serves {k}
"GET {k} HTTP/2.0" 503 {n} "-" "{v}"|HTTP error on {k}|{k} answers with error 503.|{k} fails again|check what serves {k}
~"PUT {k} HTTP/1.1" 500 {n} "-" "{v}"|HTTP error on {k}|{k} answers with error 500.|{k} fails again|check what serves {k}
deadlock detected: process {n} waits for process {n2}|deadlock in {p}|Process {n} is in a deadlock with {n2}.|more deadlocks follow|look at {p}
too many connections for {u} (limit {n})|too many connections of {u}|{u} has reached the limit of {n} connections.|clients are refused|raise the limit of {u}
host {h} is unreachable|{h} unreachable|{h} can't be reached.|{h} stays away|check {h}
no route to host {h}, port {n}|{h} unreachable|{h} can't be reached.|{h} stays away|check {h}
~{w} says that {h} is unreachable|{h} unreachable|{h} can't be reached.|{h} stays away|check {h}
replication lag on {h} is {n} seconds|replication lag of {h}|{h} is {n} seconds behind.|the lag grows|check {h}
^{d}: link is down|link of {d} down|The link of {d} is down.|{d} stays down|check the cable of {d}
^{d} {n}: NIC Link is Down|link of {d} down|The link of {d} is down.|{d} stays down|check the cable of {d}
^CPU{n}: Core temperature above threshold, cpu clock throttled (total events = {n2})|heat of CPU{n}|CPU{n} is throttled by heat.|CPU{n} stays hot|check the cooling
health check of {w} failed: status {n}|failed health check of {w}|The health check of {w} failed with {n}.|{w} stays unwell|look at {w}
certificate for {h} expires in {n} days|certificate of {h}|The certificate of {h} expires in {n} days.|the certificate expires|renew the certificate of {h}
slow query: {n} ms: {w}|slowness of {p}|{p} was slow: {n} ms.|{p} stays slow|look at {p}
{w} is slow: took {n} ms|slowness of {p}|{p} was slow: {n} ms.|{p} stays slow|look at {p}
~slow {w}, {n} ms|slowness of {p}|{p} was slow: {n} ms.|{p} stays slow|look at {p}
failed to {w}: {w2}|failure in {p}|{p} failed: {w2}.|{p} fails again|look at {p}
{w} failed: {w2} {n}|failure in {p}|{p} failed: {w2} {n}.|{p} fails again|look at {p}
{w} failed after {n} attempts|failure in {p}|{p} failed after {n} attempts.|{p} fails again|look at {p}
unable to {w}: {w2}|failure in {p}|{p} failed: {w2}.|{p} fails again|look at {p}
~the {w2} has failed ({w}, {n})|failure in {p}|{p} failed: {w}, {n}.|{p} fails again|look at {p}
error: {w} {n}: {w2}|error in {p}|{p} reports an error: {w} {n}: {w2}.|more errors of {p}|look at {p}
error while {w} {n}|error in {p}|{p} reports an error: {w} {n}.|more errors of {p}|look at {p}
{w} error {n} on {a}|error in {p}|{p} reports an error: {n} on {a}.|more errors of {p}|look at {p}
ERROR: {w}|error in {p}|{p} reports an error: {w}.|more errors of {p}|look at {p}
~got error {n} from {w}|error in {p}|{p} reports an error: {n} from {w}.|more errors of {p}|look at {p}
warning: {w} {n}|warning of {p}|{p} warns: {w} {n}.|more warnings of {p}|look at {p}
WARN {w}: {w2}|warning of {p}|{p} warns: {w}: {w2}.|more warnings of {p}|look at {p}
WARNING: {w} at {n}%|warning of {p}|{p} warns: {w} at {n}%.|more warnings of {p}|look at {p}
{w} is deprecated, use {w2}|warning of {p}|{p} warns: {w} is deprecated.|more warnings of {p}|look at {p}
~{n} warning: {w}|warning of {p}|{p} warns: {w}.|more warnings of {p}|look at {p}
"""

INFO = """
Started {t} - {w}.|{t} started|{t} was started.|no warning follows
Starting {t} - {w}...|{t} started|{t} was started.|no warning follows
Finished {t} - {w}.|{t} finished|{t} finished as it should.|no warning follows
{t}: Deactivated successfully.|{t} finished|{t} finished as it should.|no warning follows
Stopped {t} - {w}.|{t} stopped|{t} was stopped.|no warning follows
~{t} - {w}: Deactivated successfully.|{t} finished|{t} finished as it should.|no warning follows
(root) CMD ({f} >/dev/null)|scheduled job {f}|A scheduled job runs {f}.|no warning follows
({u}) CMD ({f})|scheduled job {f}|A scheduled job runs {f}.|no warning follows
Accepted publickey for {u} from {i} port {n} ssh2: RSA SHA256:{o}|login from {i}|{u} logged in from {i}.|no warning follows
Accepted password for {u} from {i} port {n} ssh2|login from {i}|{u} logged in from {i}.|no warning follows
~Accepted keyboard-interactive/pam for {u} from {i} port {n} ssh2|login from {i}|{u} logged in from {i}.|no warning follows
pam_unix(cron:session): session opened for user {u}(uid={n}) by (uid=0)|session of {u}|A session of {u} was opened.|no warning follows
New session {n} of user {u}.|session of {u}|A session of {u} was opened.|no warning follows
pam_unix(sudo:session): session closed for user {u}|session of {u}|A session of {u} was closed.|no warning follows
{u} : TTY=pts/{n} ; PWD=/{w} ; USER=root ; COMMAND={f}|command of {u}|{u} ran {f} as root.|no warning follows
"GET {k} HTTP/1.1" 200 {n} "-" "{v}"|request for {k}|{k} was served.|no warning follows
"POST {k} HTTP/1.1" 201 {n} "-" "{v}"|request for {k}|{k} was served.|no warning follows
"GET {k} HTTP/2.0" 304 {n} "-" "{v}"|request for {k}|{k} was served.|no warning follows
~"HEAD {k} HTTP/1.1" 200 {n} "-" "{v}"|request for {k}|{k} was served.|no warning follows
{w} completed in {n} ms|routine of {p}|{p} took {n} ms.|no warning follows
checkpoint complete: wrote {n} buffers|routine of {p}|{p} wrote {n} buffers.|no warning follows
DB saved on disk, {n} changes in {n2} seconds|routine of {p}|{p} saved {n} changes.|no warning follows
connection from {a} accepted|connection from {a}|{a} connected to {p}.|no warning follows
connection received: host={i} port={n}|connection from {i}|{i} connected to {p}.|no warning follows
~accepted a connection from {a}|connection from {a}|{a} connected to {p}.|no warning follows
reloading configuration from {f}|new settings from {f}|{p} read {f} anew.|no warning follows
listening on {a}|{p} listens|{p} listens on {a}.|no warning follows
Server started on port {n}|{p} listens|{p} listens on port {n}.|no warning follows
^{d}: link is up, {n} Mbps|link of {d} up|The link of {d} is up.|no warning follows
^usb {n}-1: new high-speed USB device number {n2}|USB device {n}-1|A USB device was plugged in.|no warning follows
^EXT4-fs ({d}): mounted filesystem with ordered data mode|{d} mounted|{d} was mounted.|no warning follows
[UFW BLOCK] IN={d} SRC={i} PROTO=TCP DPT={n}|blocked packet from {i}|A packet from {i} to port {n} was blocked.|no warning follows
backup of {f} finished: {n} files|backup of {f}|The backup of {f} finished with {n} files.|no warning follows
synchronised {n} files to {h}|copies to {h}|{n} files went to {h}.|no warning follows
~{n} files synchronised to {h} in {n2} s|copies to {h}|{n} files went to {h}.|no warning follows
new version of {w} installed: {n}.{n2}|update of {w}|{w} was updated to {n}.{n2}.|no warning follows
"""
