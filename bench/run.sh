#!/usr/bin/env bash
# `make bench`: tape beside Kafka Streams and Flink, on a real Kafka that this starts and removes. See tape-bench --help.
#
#   bench/run.sh [OPTIONS OF tape-bench]
#
# Builds the peers (bench/peers/build.sh), not tape: make does. Servers and data lie in .local/bench-PID; what a killed run left
# behind is removed at the next start. After a failure the folder is kept for its logs until then.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/.." && pwd -P)
. "$root/deploy/local/process.sh"
cd "$root"
program=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape-bench
[ -x "$program" ] || fail "$program does not exist: make build"
dir=$root/.local/bench-$$

# A pid counts only with the run's folder on its command line or in its environment: numbers are used again.
remove() {
    local pid
    { cat "$1"/logs/pids 2>/dev/null || true; } | while read -r pid; do
        if { tr '\0' '\n' <"/proc/$pid/environ" && tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$1/"; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    [ ! -d "$1/servers" ] || deploy/local/servers.sh remove "$1/servers"
    rm -rf "$1"
}

finish() {
    local result=$?
    trap '' INT TERM
    if [ "$result" -ne 0 ] && [ -d "$dir/servers" ]; then
        deploy/local/servers.sh stop "$dir/servers"
        say "Failed (exit code $result). Logs: $dir/logs, $dir/servers/kafka/server.log"
    fi
}

for old in .local/bench-*; do
    if [ -d "$old" ] && is_gone "${old##*-}"; then remove "$root/$old"; fi
done
if [ -x "$here/peers/build.sh" ]; then "$here/peers/build.sh"; else say "bench/peers/build.sh is missing: no peers"; fi
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$program" --folder "$dir" "$@"
