#!/usr/bin/env bash
# PostgreSQL with TimescaleDB on loopback, for tests: an in-memory database without background workers, for one connection at a time.
#
#   timescale.sh start|stop|status|remove [DIR]        DIR: default .local/demo of this checkout
#
# start    fetches it once (npm, 24 MB, into .local/timescale-…), picks a free port, waits until it serves, writes DIR/env for
#          `. DIR/env`: TIMESCALE_PORT
# stop     by the pid in DIR/timescale/pid, never by name; all data go with it
# status   exit 0 and one line when it runs, else exit 3
# remove   stops it and deletes its folder
#
# TimescaleDB comes in no package for servers that can be had everywhere; this one is PGlite, PostgreSQL compiled to WebAssembly.
# It carries code under the Timescale licence: for tests only, nothing of it is shipped.
# LOCAL_CACHE (default .local of this checkout): where the packages are kept.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

action=${1:-}
if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
root=$(cd "$here/../.." && pwd -P)
dir=$(absolute "${2:-$root/.local/demo}")
home=$dir/timescale
pid_file=$home/pid
log=$home/server.log
modules=${LOCAL_CACHE:-$root/.local}/timescale-$(cksum <"$here/timescale/package-lock.json" | cut -d ' ' -f 1)
mark="$modules/server.mjs $home "

start_limit=180
stop_limit=10

fetch() {
    mkdir -p "$modules"
    # Node looks for packages beside the program.
    cp "$here/timescale/server.mjs" "$modules/server.mjs"
    [ ! -e "$modules/.complete" ] || return 0
    command -v npm >/dev/null || fail "npm is missing: run deploy/local/install.sh"
    say "Fetching PGlite with TimescaleDB (24 MB) into $modules"
    cp "$here/timescale/package.json" "$here/timescale/package-lock.json" "$modules/"
    # The socket's server asks for PGlite under its own name; ours is a build of the same version.
    (cd "$modules" && npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund) >"$modules/fetch.log" 2>&1 </dev/null ||
        fail "npm could not fetch PGlite" "$modules/fetch.log"
    touch "$modules/.complete"
}

serves() { grep -q '^serves at' "$log" 2>/dev/null; }

start() {
    local pid port node started=$SECONDS
    mkdir -p "$home"
    if pid=$(running_pid "$pid_file" "$mark"); then
        write_env "$dir"
        say "TimescaleDB runs already at 127.0.0.1:$(sed -n 's/^export TIMESCALE_PORT=//p' "$home/env") (pid $pid)"
        return 0
    fi
    node=$(find_node) || fail "no Node.js $NODE_MIN or newer found: run deploy/local/install.sh"
    fetch
    port=$(free_port)
    rm -f "$log" "$home/env"
    start_detached "$log" "$node" "$modules/server.mjs" "$home" "$port"
    printf '%s\n' "$STARTED_PID" >"$pid_file"
    if ! (WAIT_PID=$STARTED_PID wait_until "$start_limit" "Starting TimescaleDB" "$log" serves); then
        stop
        exit 1
    fi
    printf 'export TIMESCALE_PORT=%s\n' "$port" >"$home/env"
    write_env "$dir"
    say "TimescaleDB serves at 127.0.0.1:$port (pid $STARTED_PID, $((SECONDS - started)) s)"
}

stop() {
    local pid
    if ! pid=$(running_pid "$pid_file" "$mark"); then
        say "TimescaleDB does not run in $dir"
        return 0
    fi
    stop_process "$pid" TERM "$stop_limit" TimescaleDB
    rm -f "$pid_file" "$home/env"
    say "TimescaleDB stopped (pid $pid)"
}

status() {
    local pid
    if pid=$(running_pid "$pid_file" "$mark"); then
        say "TimescaleDB runs at 127.0.0.1:$(sed -n 's/^export TIMESCALE_PORT=//p' "$home/env") (pid $pid)"
    else
        say "TimescaleDB does not run in $dir"
        exit 3
    fi
}

remove() {
    stop
    rm -rf "$home"
}

case $action in
start) start ;;
stop) stop ;;
status) status ;;
remove) remove ;;
*) usage ;;
esac
