#!/bin/sh
# Shows ilod at work on a simulated iLO, alone and as an agent, with the iLO's own
# session table before, during and after. Fails if a session or a channel is left.
# usage: demo.sh DIRECTORY-OF-ILOD-AND-ILOSIM
set -eu
bin=${1:?usage: demo.sh DIRECTORY-OF-ILOD-AND-ILOSIM}
work=$(mktemp -d)
pids=

cleanup() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

unset ILOD_JSON ILOD_TIMEOUT ILOD_VERBOSE ILOD_NOCACHE ILOD_SOCKET
: >"$work/ilod.toml"
export ILOD_DEVICE="unix:$work/ilo.sock" ILOD_CONFIG="$work/ilod.toml" ILOD_STATE_DIR="$work/state" ILOD_RUNTIME_DIR="$work/run"

say() { printf '\n== %s\n' "$*"; }
show() { printf '$ ilod %s\n' "$*"; }
run() {
	show "$@"
	"$bin/ilod" "$@"
}
ctl() { "$bin/ilosim" ctl --control "unix:$work/control.sock" "$@"; }
table() {
	echo 'The iLO'\''s session table:'
	ctl GET /sessions | tr '{' '\n' | sed -n \
		-e 's/.*"userName":"\([^"]*\)","userTag":"\([^"]*\)".*"foreign":true.*/  \2 of \1/p' \
		-e 's/.*"userName":"\([^"]*\)","userTag":"\([^"]*\)".*"foreign":false.*/  \2 of \1   <-- ilod/p'
}
# until_ours N waits until N sessions of ours are in the table.
until_ours() {
	tries=0
	while [ "$(ctl GET /sessions | tr '{' '\n' | grep -c '"foreign":false')" -ne "$1" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || { echo "demo: the table never had $1 of our sessions" >&2; exit 1; }
		sleep 0.05
	done
}

say 'A simulated iLO 5 starts; other people are logged in to it'
"$bin/ilosim" --listen "$ILOD_DEVICE" --control "unix:$work/control.sock" --generation 5 --foreign-sessions 3 &
pids=$!
ctl GET /check >/dev/null # waits for it
run doctor

say 'Before'
table

say 'The main job: one session, one resource, nothing left'
run get /redfish/v1/Systems/1/ | cut -c 1-300
run raw PATCH /redfish/v1/Systems/1/ --data '{"AssetTag":"demo"}'
echo

say 'During: the iLO now needs two seconds for an answer'
ctl POST /faults '{"rules":[{"fault":"delay","method":"GET","path":"/redfish/v1/Chassis","duration":"2s"}]}'
show get /redfish/v1/Chassis/
"$bin/ilod" get /redfish/v1/Chassis/ >"$work/chassis.json" &
job=$!
pids="$pids $job"
until_ours 1
table
wait "$job"
printf 'and got %s bytes\n' "$(wc -c <"$work/chassis.json")"

say 'Ended by SIGTERM in the middle of it'
show get --fresh /redfish/v1/Chassis/
"$bin/ilod" get --fresh /redfish/v1/Chassis/ &
job=$!
pids="$pids $job"
until_ours 1
table
kill -TERM "$job"
wait "$job" || echo "exit code $?"

until_ours 0
ctl DELETE /faults

# start_agent starts an agent and waits until it serves.
start_agent() {
	show 'agent &'
	"$bin/ilod" agent 2>>"$work/agent.log" &
	agent=$!
	pids="$pids $agent"
	until "$bin/ilod" agent status >/dev/null 2>&1; do
		kill -0 "$agent" || { cat "$work/agent.log" >&2; exit 1; }
		sleep 0.05
	done
}

say 'The agent: 100 clients log in and read, and never log out'
start_agent
clients=
for n in 1 2 3 4 5 6 7 8 9 10; do
	(
		for m in 1 2 3 4 5 6 7 8 9 10; do
			"$bin/ilod" raw POST /redfish/v1/SessionService/Sessions --data '{"UserName":"tool","Password":"any"}' >/dev/null
			"$bin/ilod" get /redfish/v1/Systems/1/ >/dev/null
		done
	) &
	clients="$clients $!"
done
pids="$pids$clients"
for client in $clients; do
	wait "$client"
done
run agent status
table
until_ours 1

say 'The whole tree, from now on without the iLO'
run cache warm
run get --offline /redfish/v1/Chassis/1/Thermal | cut -c 1-300

say 'Killed by SIGKILL: nobody could delete the session'
kill -KILL "$agent"
wait "$agent" 2>/dev/null || echo "exit code $?"
table
until_ours 1

say 'Started again: the agent knows what it owes'
start_agent
run get --fresh /redfish/v1/Systems/1/ | cut -c 1-300
until_ours 1
table
run agent stop
wait "$agent"

say 'After'
until_ours 0
table
[ "$(ctl GET /check)" = '{"error":""}' ] || { ctl GET /check >&2; exit 1; }
echo 'No session of ilod and no channel is left; the others are untouched.'
