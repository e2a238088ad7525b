# Uses the package of ilod on a booted Debian, with ilosim as the iLO. Prints one
# line for each step and "passed" at the end.
. /lib.sh

ours() { ctl GET /sessions | tr '{' '\n' | grep -c '"foreign":false' || true; }
have_ours() { [ "$(ours)" -eq "$1" ]; }
other_pid() { new=$(pid) && [ "$new" -ne 0 ] && [ "$new" -ne "$1" ]; }

# listing lists the files in places where packages may leave something. It leaves out
# the files that systemd, apt and dpkg write for themselves.
listing() {
	find /etc /opt /run /srv /usr /var -xdev \( -path /var/backups -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/tmp -o -path /run/systemd -o -path /run/probe \) -prune -o -print |
		grep -v -e '^/etc/[a-z]*-$' -e '^/var/lib/systemd/' -e '^/run/nologin$' | sort
}

# load_begin keeps clients at work until load_end, which checks that none failed. One
# client uses the client session of $handle.
load_begin() {
	rm -f /tmp/stop /tmp/failed /tmp/errors /tmp/count
	loads=
	for session in "" "" "$handle"; do
		( count=0
		  while [ ! -e /tmp/stop ]; do
			ILOD_SESSION=$session ilod get --fresh /redfish/v1/Systems/1/ >/dev/null 2>>/tmp/errors || echo "$session" >>/tmp/failed
			count=$((count + 1))
		  done; echo "$count" >>/tmp/count ) &
		loads="$loads $!"
	done
	sleep 1
	old=$(pid)
}
load_end() {
	until_true other_pid "$old"
	sleep 1
	touch /tmp/stop
	for load in $loads; do wait "$load" || fail load; done
	[ ! -e /tmp/failed ] || fail "$(wc -l </tmp/failed) requests failed: $(cat /tmp/errors)"
	echo "requests: $(tr '\n' ' ' </tmp/count)"
	ILOD_SESSION=$handle ilod session show | grep -q '^active-path */redfish/v1/Systems/1/$' || fail "the client session: $(ILOD_SESSION=$handle ilod session show)"
	have_ours 1 || fail "$(ours) sessions"
}

listing >/before

# The container and its services have different boot ids.
while umount /proc/sys/kernel/random/boot_id 2>/dev/null; do :; done

step an iLO
start_ilo

step install
mkdir -p /etc/systemd/system/ilod.service.d /run/probe
cat >/etc/systemd/system/ilod.service.d/test.conf <<'X'
[Unit]
StartLimitIntervalSec=0
[Service]
Environment=ILOD_DEVICE=unix:/ilosim/ilo.sock
WatchdogSec=3
DeviceAllow=
DeviceAllow=/dev/allowed rw
# With root's rights, but in the service's control group.
ExecStartPre=+/bin/sh -c 'for d in allowed denied; do (exec 3</dev/$$d) && touch /run/probe/$$d; done; true'
X
dpkg -i /ilod.deb || fail "dpkg -i"
for unit in ilod.socket ilod.service; do
	[ "$(systemctl is-enabled $unit)" = enabled ] || fail "$unit is not enabled"
	until_true systemctl is-active $unit
done
id ilod
[ "$(stat -c '%a %U %G' /run/ilod/ilod.sock)" = '660 ilod ilod' ] || fail "socket: $(stat -c '%a %U %G' /run/ilod/ilod.sock)"
[ "$(stat -c %a /etc/ilod/ilod.toml)" = 644 ] || fail "conffile"

step the units
# It also succeeds for settings that it ignores, so it must print nothing.
[ -z "$(systemd-analyze verify --man=no ilod.service ilod.socket ilod-tls.socket 2>&1)" ] || fail "$(systemd-analyze verify --man=no ilod.service ilod.socket 2>&1)"

step the agent is not root and has no capability
grep -q "^CapEff:.0*$" /proc/"$(pid)"/status || fail "$(cat /proc/"$(pid)"/status)"
[ "$(stat -c %U /proc/"$(pid)")" = ilod ] || fail "it runs as $(stat -c %U /proc/"$(pid)")"

step start by the socket
systemctl stop ilod.service 2>/dev/null
[ "$(systemctl is-active ilod.service)" = inactive ] || fail "it is active"
[ -S /run/ilod/ilod.sock ] || fail "the socket is gone"
for n in 1 2 3 4 5; do
	ilod get /redfish/v1/Systems/1/ >/dev/null || fail "request $n" &
	clients="${clients:-} $!"
done
for client in $clients; do wait "$client" || fail "a client that came while the agent started"; done
[ "$(systemctl is-active ilod.service)" = active ] || fail "it is not active"
have_ours 1 || fail "$(ours) sessions"
case $(ls -l /proc/"$(pid)"/fd) in *socket*) ;; *) fail "no socket" ;; esac

step stop deletes the session
systemctl stop ilod.socket ilod.service
have_ours 0 || fail "$(ours) sessions left"
[ "$(property ilod.service Result)" = success ] || fail "result $(property ilod.service Result)"

step the service brings its socket, which can be restarted
systemctl start ilod.service
[ "$(systemctl is-active ilod.socket)" = active ] || fail "no socket"
systemctl restart ilod.socket || fail "the socket of a running agent cannot be restarted"
until_true systemctl is-active ilod.service
[ "$(systemctl is-active ilod.socket)" = active ] || fail "no socket"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "after that"
have_ours 1 || fail "$(ours) sessions"
systemctl stop ilod.socket ilod.service

step a command of root alone leaves nothing that the agent cannot use
ilod get --device unix:/ilosim/ilo.sock /redfish/v1/Systems/1/ >/dev/null || fail "alone"
systemctl start ilod.socket
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "then with the agent"
! find /var/lib/ilod /run/ilod ! -user ilod ! -name ilod.sock | grep . || fail "not the agent's"

step an ordinary user
useradd alice
! runuser -u alice -- ilod get /redfish/v1/Systems/1/ >/dev/null 2>&1 || fail "alice got in"
usermod -aG ilod alice
! runuser -u alice -- ilod get /redfish/v1/Systems/1/ >/dev/null 2>&1 || fail "a member of the group got in without a role"
printf '[roles.reader]\ngroups = ["ilod"]\n' >>/etc/ilod/ilod.toml
systemctl restart ilod.service
runuser -u alice -- ilod get /redfish/v1/Systems/1/ >/dev/null || fail "a reader did not get in"

step credentials
mkdir -p -m 700 /etc/credstore
printf 'username = "Administrator"\npassword = "password"\n' >/etc/credstore/ilo-credentials
chmod 600 /etc/credstore/ilo-credentials
sed -i '1i device = "unix:/ilosim/ilo.sock"' /etc/ilod/ilod.toml # credentials are for the configured device alone
systemctl restart ilod.service
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "with credentials"
ctl GET /sessions | tr '{' '\n' | grep '"foreign":false' | grep -q '"userName":"Administrator"' || fail "$(ctl GET /sessions)"
rm -r /etc/credstore
systemctl restart ilod.service
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "without credentials"

step killed by SIGKILL: swept, and started again
old=$(pid)
kill -KILL "$old"
until_true other_pid "$old"
journalctl --no-pager -u ilod.service | grep -q 'Main process exited, code=killed' || fail "not killed"
have_ours 0 || fail "$(ours) sessions after the sweep"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "after SIGKILL"
have_ours 1 || fail "$(ours) sessions"

step hung: killed by the watchdog, swept, and started again
old=$(pid)
kill -STOP "$old"
until_true other_pid "$old"
journalctl --no-pager -u ilod.service | grep -q 'Watchdog timeout' || fail "no watchdog"
have_ours 0 || fail "$(ours) sessions after the watchdog"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "after the watchdog"

step devices
[ -e /run/probe/allowed ] || fail "the device that is allowed cannot be opened"
[ ! -e /run/probe/denied ] || fail "a device that is not allowed can be opened"

step the iLO hangs, and the agent does not
watchdog() { property ilod.service WatchdogTimestampMonotonic; }
fed() { [ "$(watchdog)" != "$1" ]; }
systemctl stop ilod.service 2>/dev/null
kill -STOP "$(property ilosim.service MainPID)"
systemctl start ilod.service || fail "no start while the iLO hangs"
old=$(pid)
! ilod get --fresh --timeout 3s /redfish/v1/Systems/1/ >/dev/null 2>&1 || fail "the iLO does not hang"
for n in 1 2 3 4 5; do
	last=$(watchdog)
	until_true fed "$last"
done
[ "$(pid)" = "$old" ] || fail "it was restarted"
ilod agent status >/dev/null || fail "it does not answer"
property ilod.service StatusText | grep '^no iLO session' || fail "status: $(property ilod.service StatusText)"
kill -CONT "$(property ilosim.service MainPID)"
comes_back() { ilod get --fresh --timeout 5s /redfish/v1/Systems/1/; }
until_true comes_back
has_session() { property ilod.service StatusText | grep '^iLO session since 20'; }
until_true has_session
[ "$(pid)" = "$old" ] || fail "it was restarted"

step the serial number
[ "$(cat /run/credentials/ilod.service/product-serial)" = "" ] || fail "a serial number on a machine that has none"
mkdir -p /ilosim/class/dmi/id
echo CZ1234 >/ilosim/class/dmi/id/product_serial
chmod 400 /ilosim/class/dmi/id/product_serial
mount --bind /ilosim/class /sys/class
strangers() {
	journalctl --sync
	journalctl --no-pager -o cat ILOD_REASON="another server" | grep -c . || true
}
systemctl restart ilod.service
[ "$(cat /run/credentials/ilod.service/product-serial)" = CZ1234 ] || fail "no serial number"
before=$(strangers)
systemctl stop ilod.socket ilod.service
ilod get --device unix:/ilosim/ilo.sock /redfish/v1/Systems/1/ >/dev/null || fail "alone"
systemctl start ilod.socket ilod.service
[ "$(strangers)" = "$before" ] || fail "$before, $(strangers): root's commands and the agent do not agree which server this is"
echo CZ5678 >/ilosim/class/dmi/id/product_serial
systemctl restart ilod.service
[ "$(strangers)" -gt "$before" ] || fail "another server is not seen"
umount /sys/class

step restart under load
handle=$(ilod session new) || fail "no client session"
ILOD_SESSION=$handle ilod session set active-path /redfish/v1/Systems/1/ >/dev/null || fail "set"
load_begin
systemctl restart ilod.service
load_end

step upgrade under load
load_begin
dpkg -i --force-confdef --force-confold /new.deb || fail upgrade
load_end
grep -q newer /etc/ilod/ilod.toml.dpkg-dist || fail "no new configuration beside the changed one"
grep -q roles.reader /etc/ilod/ilod.toml || fail "the upgrade took the configuration"

step the TLS port is never free for another program
held() { grep -q '0100007F:20FB 00000000:0000 0A' /proc/net/tcp; }
printf '[tls]\nlisten = "127.0.0.1:8443"\n' >>/etc/ilod/ilod.toml
systemctl stop ilod.service 2>/dev/null
[ "$(systemctl is-enabled ilod-tls.socket)" = disabled ] || fail "the TLS port is enabled"
systemctl enable --now --quiet ilod-tls.socket || fail "no TLS port"
held || fail "the port is not held before the agent starts"
systemctl start ilod.service
ilod doctor | grep 'listens on 127.0.0.1:8443' || fail "$(ilod doctor)"
systemctl stop ilod.service 2>/dev/null
held || fail "the port is free while the agent is stopped"
systemctl start ilod.service

step a node exporter
prom=/var/lib/prometheus/node-exporter/ilod.prom
scrape() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/9100 && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' >/tmp/scraped; }
scraped() {
	until_true scrape
	grep -q "$1" /tmp/scraped || fail "no $1: $(grep -e ^ilod_ -e ^node_textfile /tmp/scraped)"
}
server_is_there() { systemctl start ilod-textfile.service && grep '^ilod_server_health' $prom; }
systemctl start prometheus-node-exporter.service
[ "$(systemctl is-enabled ilod-textfile.timer)" = disabled ] || fail "the timer is enabled"
systemctl enable --now ilod-textfile.timer
until_true test -s $prom
[ "$(stat -c %a $prom)" = 644 ] || fail "mode $(stat -c %a $prom)"
until_true server_is_there
[ "$(property ilod-textfile.timer SubState)" = waiting ] || fail "the timer is $(property ilod-textfile.timer SubState)"
scraped '^ilod_agent_up 1$'
scraped '^ilod_server_health{component="server"}'
scraped '^node_textfile_scrape_error 0$'
scraped "^node_textfile_mtime_seconds{file=\"$prom\"}"
systemctl stop ilod.socket ilod.service
! systemctl start ilod-textfile.service 2>/dev/null || fail "no error without an agent"
scraped '^ilod_agent_up 0$'
scraped '^node_textfile_scrape_error 0$'
! grep ^ilod_server /tmp/scraped || fail "series of an agent that is gone"
systemctl start ilod.socket ilod.service ilod-textfile.service
[ "$(find ${prom%/*} -name 'ilod*' | wc -l)" = 1 ] || fail "$(find ${prom%/*})"
systemctl stop prometheus-node-exporter.service

step remove
dpkg -r ilod || fail remove
have_ours 0 || fail "$(ours) sessions left by remove"
[ ! -e /run/ilod ] || fail "$(find /run/ilod)"
[ -e /etc/ilod/ilod.toml ] || fail "remove took the configuration"
[ ! -e $prom ] || fail "metrics that nobody writes any more"

step install again, and purge
dpkg -i /new.deb || fail "install again"
[ "$(systemctl is-active ilod-textfile.timer)" = active ] || fail "the timer that was enabled before"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "after the second installation"
rm -r /etc/systemd/system/ilod.service.d
dpkg -P ilod || fail purge
have_ours 0 || fail "$(ours) sessions left by purge"
listing >/after
diff /before /after || fail "purge left something, or took it"

step the tar.gz, as README.md has it installed
mkdir -p /etc/systemd/system/ilod.service.d
printf '[Service]\nEnvironment=ILOD_DEVICE=unix:/ilosim/ilo.sock\n' >/etc/systemd/system/ilod.service.d/test.conf
sh -e /install.sh || fail "install.sh: $(cat /install.sh)"
[ "$(systemctl is-active ilod.socket ilod.service | sort -u)" = active ] || fail "not active"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "with the files of the tar.gz"

step the scripts of the rpm, with these files
systemctl disable --now --quiet ilod.socket ilod.service
sh -e /rpm/post 1
[ "$(systemctl is-enabled ilod.service)" = enabled ] || fail "not enabled"
systemctl start ilod.socket
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "with the scripts of the rpm"
old=$(pid)
sh -e /rpm/post 2
sh -e /rpm/postun 1
until_true other_pid "$old"
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "after an upgrade"
have_ours 1 || fail "$(ours) sessions"
sh -e /rpm/preun 0
have_ours 0 || fail "$(ours) sessions left"
sh -e /rpm/postun 0
[ ! -e /run/ilod ] && [ ! -e /var/lib/ilod ] || fail "something is left"

step the iLO saw no session or channel that was left
[ "$(ctl GET /check)" = '{"error":""}' ] || fail "$(ctl GET /check)"
echo passed
