# Attacks the installed agent with the rights of ordinary local users, under the
# limits of its own unit. Prints one line for each step and "passed" at the end.
. /lib.sh

as() { runuser -u "$@"; }

# begin ATTACK... starts an attack of alice, a reader. It runs until end.
attacks=
begin() {
	rm -f "/tmp/ready-$1"
	as alice -- /attacker "$@" >"/tmp/ready-$1" &
	attacks="$attacks $!"
	until_true grep ready "/tmp/ready-$1"
}
end() {
	for attack in $attacks; do kill "$attack" && wait "$attack" || true; done
	attacks=
}
# stands checks that the agent has the same process and uses less memory than its unit allows.
stands() {
	[ "$(pid)" = "$agent" ] || fail "$1: the agent was restarted"
	most=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$agent/status")
	echo "$1: at most $((most / 1024)) MiB"
	[ "$((most * 1024))" -lt "$(systemctl show -P MemoryMax ilod.service)" ] || fail "$1: $most kB"
}
serves() {
	ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "$1: root is not answered"
	as olga -- ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "$1: an operator is not answered"
}

step an agent with a reader and an operator
start_ilo
mkdir -p /etc/systemd/system/ilod.service.d
printf '[Service]\nEnvironment=ILOD_DEVICE=unix:/ilosim/ilo.sock\n' >/etc/systemd/system/ilod.service.d/test.conf
dpkg -i /ilod.deb >/dev/null || fail "dpkg -i"
useradd -G ilod alice
useradd -G ilod olga
printf '[roles.reader]\nusers = ["alice"]\n[roles.operator]\nusers = ["olga"]\n[tls]\nlisten = "127.0.0.1:8443"\n' >>/etc/ilod/ilod.toml
systemctl stop ilod.service
systemctl enable --now --quiet ilod-tls.socket
systemctl start ilod.service || fail "no start with a TLS port"
ilod cache warm >/dev/null 2>&1 || fail warm
agent=$(pid)
serves "at rest"
stands "at rest"

step a reader takes no answer
begin unread 60 /redfish/v1/ 'Ilod-Recursive: true' 'Cache-Control: only-if-cached'
serves "60 recursive reads"
end
begin unread 300 /redfish/v1/Systems/1/
serves "300 reads"
stands "unread answers"
end

step a reader has hundreds of sessions and connections
begin sessions 400
begin idle 500
begin unread 60 /redfish/v1/ 'Ilod-Recursive: true'
for n in 1 2 3 4 5; do serves "all at once, $n"; done
ilod session new >/dev/null || fail "root gets no session"
stands "all at once"
end

step a reader unfolds accounts
# If the agent refuses a part of an answer, it refuses the whole answer.
for query in '?$expand=.' '?$expand=*($levels=3)' '?$expand=~' '?only'; do
	! as alice -- ilod raw GET "/redfish/v1/$query" 2>/dev/null | grep -i -e Administrator -e '"UserName"' || fail "$query"
	! as alice -- ilod raw GET "/redfish/v1/AccountService/$query" >/dev/null 2>&1 || fail "AccountService/$query"
done

step a staged body of 3.9 MiB
as olga -- /attacker body 3900000 | tail -n 1 | grep -q '^4' || fail "it is not refused"
serves "afterwards"
stands "a large body"

step the login of the TLS port ends with the agent, and another program never has the port
grep -q '0100007F:20FB 00000000:0000 0A' /proc/net/tcp || fail "nobody listens"
before=$(cat /run/ilod/tls-login.toml)
systemctl stop ilod.service 2>/dev/null
grep -q '0100007F:20FB 00000000:0000 0A' /proc/net/tcp || fail "the port is free"
systemctl start ilod.service
[ "$(cat /run/ilod/tls-login.toml)" != "$before" ] || fail "the login is the old one"
! as alice -- cat /run/ilod/tls-login.toml 2>/dev/null || fail "alice reads the login"

step the user ilod plants links and pipes for root
systemctl stop ilod.socket ilod.service 2>/dev/null
echo precious >/root/precious
chmod 600 /root/precious
before=$(stat -c '%U %G %a %h %s' /root/precious)
chmod 711 /root
commands() {
	for command in "get --device unix:/ilosim/ilo.sock /redfish/v1/Systems/1/" "cache status" "cache clear" "doctor --fix" "agent stop" "agent status" "session list"; do
		rc=0
		# shellcheck disable=SC2086
		timeout 120 ilod $command >/tmp/out 2>&1 || rc=$?
		[ $rc -ne 124 ] || fail "$1: ilod $command hangs"
		[ "$(cat /root/precious)" = precious ] || fail "$1: ilod $command has written to root's file"
		[ "$(stat -c '%U %G %a %h %s' /root/precious)" = "$before" ] || fail "$1: ilod $command: $(stat -c '%U %G %a %h %s' /root/precious)"
		! grep -q precious /tmp/out || fail "$1: ilod $command shows root's file"
	done
}
find /var/lib/ilod /run/ilod -type f >/tmp/files
cp -a /var/lib/ilod /tmp/state
cp -a /run/ilod /tmp/run
for how in "ln -s /root/precious" mkfifo mkdir; do
	while read -r file; do
		[ "$how" = mkdir ] || [ "$(dirname "$file")" != /tmp ] || continue
		rm -rf "$file"
		as ilod -- $how "$file"
	done </tmp/files
	for name in lock state state.new key key.new limits.json.new sessions.journal.new; do
		for dir in /var/lib/ilod /var/lib/ilod/cache /var/lib/ilod/clients /run/ilod; do
			[ -e "$dir/$name" ] || [ ! -d "$dir" ] || as ilod -- $how "$dir/$name" 2>/dev/null || true
		done
	done
	commands "$how"
	rm -rf /var/lib/ilod /run/ilod
	cp -a /tmp/state /var/lib/ilod
	cp -a /tmp/run /run/ilod
done
# Links in place of whole directories.
mkdir -p /root/elsewhere
for dir in cache clients transactions; do
	rm -rf /var/lib/ilod/$dir
	as ilod -- ln -s /root/elsewhere /var/lib/ilod/$dir
done
commands "links to directories"
[ -z "$(ls -A /root/elsewhere)" ] || fail "root has written to $(ls -A /root/elsewhere)"
rm -rf /var/lib/ilod /run/ilod
cp -a /tmp/state /var/lib/ilod
cp -a /tmp/run /run/ilod
systemctl start ilod.socket ilod.service
serves "afterwards"

step a forged pid in the lock ends nobody
sleep 300 &
victim=$!
systemctl stop ilod.socket ilod.service 2>/dev/null
for lock in /run/ilod/lock /var/lib/ilod/lock; do
	[ ! -e $lock ] || as ilod -- sh -c "echo $victim >$lock"
done
timeout 60 ilod agent stop >/dev/null 2>&1 || true
kill -0 $victim || fail "ilod agent stop has ended another process"
kill $victim
systemctl start ilod.socket ilod.service
serves "afterwards"

step no session was left
systemctl stop ilod.socket ilod.service 2>/dev/null
[ "$(ctl GET /check)" = '{"error":""}' ] || fail "$(ctl GET /check)"
echo passed
