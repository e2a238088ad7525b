# Checks on a booted Debian with the real driver that the service can open the iLO's
# channels and nothing else. Prints one line for each step and "passed" at the end.
set -eu

step() { echo "== $*"; }
fail() {
	echo "FAIL: $*"
	systemctl --no-pager status ilod.service ilod.socket systemd-modules-load.service || true
	journalctl --no-pager -b -u ilod.service -u systemd-udevd | tail -n 40 || true
	ls -l /dev/hpilo || true
	lsmod || true
	exit 1
}
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "never true: $*"
		sleep 1
	done
}

step the driver, and the nodes of the user ilod
until_true test -c /dev/hpilo/d0ccb0
udevadm settle
for node in /dev/hpilo/*; do
	[ "$(stat -c '%a %U' "$node")" = '600 ilod' ] || fail "$node: $(stat -c '%a %U %G' "$node")"
done
echo "$(ls /dev/hpilo | wc -l) nodes"

step the unit as it is
until_true systemctl is-active ilod.service
ilod get --fresh /redfish/v1/Systems/1/ >/dev/null || fail "get"
pid=$(systemctl show -P MainPID ilod.service)
[ "$(stat -c %U "/proc/$pid")" = ilod ] || fail "it runs as $(stat -c %U "/proc/$pid")"
ls -l "/proc/$pid/fd" | grep -q ' /dev/hpilo/d0ccb' || fail "no channel is open: $(ls -l "/proc/$pid/fd")"
systemctl show -P StatusText ilod.service | grep . || fail "no status"

step somebody else
! runuser -u nobody -- sh -c 'exec 3<>/dev/hpilo/d0ccb5' 2>/dev/null || fail "nobody opened a channel"

step other devices, with the rights of root in the control group of the service
mkdir -p /run/systemd/system/ilod.service.d /run/probe
cat >/run/systemd/system/ilod.service.d/test.conf <<'X'
[Service]
ExecStartPre=+/bin/sh -c '(exec 3<>/dev/hpilo/d0ccb5) && touch /run/probe/channel; (exec 3</dev/kmsg) && touch /run/probe/kmsg; (exec 3</dev/mem) && touch /run/probe/mem; true'
X
systemctl daemon-reload
systemctl stop ilod.socket ilod.service
(exec 3</dev/kmsg) || fail "root cannot open what the service must not"
systemctl start ilod.service
[ -e /run/probe/channel ] || fail "DeviceAllow= has no channel"
[ ! -e /run/probe/kmsg ] && [ ! -e /run/probe/mem ] || fail "the service can open $(ls /run/probe)"
systemctl stop ilod.socket ilod.service 2>/dev/null
echo passed
