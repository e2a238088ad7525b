# Functions for the scripts that use the package on a booted Debian, with ilosim as the iLO.
set -eu
export DEBIAN_FRONTEND=noninteractive

step() { echo "== $*"; }
fail() {
	echo "FAIL: $*"
	systemctl --no-pager status ilod.service ilod.socket || true
	journalctl --no-pager -u ilod.service | grep -v -e 0x -e '()' | tail -n 40 || true
	exit 1
}
# until_true COMMAND waits for it to succeed.
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "never true: $*"
		sleep 0.1
	done
}
ctl() { ilosim ctl --control unix:/ilosim/control.sock "$@"; }
property() { systemctl show -P "$2" "$1"; }
pid() { property ilod.service MainPID; }

# start_ilo starts an iLO with two sessions of others.
start_ilo() {
	mkdir -p /ilosim
	systemd-run --quiet --unit=ilosim ilosim --listen unix:/ilosim/ilo.sock --control unix:/ilosim/control.sock --foreign-sessions 2
	until_true ctl GET /check
	until_true test -S /ilosim/ilo.sock
	chmod 0666 /ilosim/ilo.sock
}
