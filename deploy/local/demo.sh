#!/usr/bin/env bash
# `make demo`: installs what is missing, builds, starts the real servers, runs `tape demo`, which makes topics and tables.
#
#   demo.sh [SECONDS] [TAPE]
#
# SECONDS  empty: until Ctrl-C. A number: stops after that time, then checks itself; exit code 1 on any difference
# TAPE     empty: the simulated market. real: one million real trades (see real-tape.sh). Else a CSV or JSONL file
#
# Data lie in .local/demo (the real tape: .local/demo-real, a file: .local/demo-file) and are kept: the next run resumes.
# Ctrl-C reaches tape, which stops in order; then the servers are stopped, unless they ran before this call.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"

seconds=${1:-}
tape=${2:-}
root=$(cd "$here/../.." && pwd -P)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}
options=()

case $seconds in
'') ;;
*[!0-9]*) fail "SECONDS=$seconds: a number of seconds is wanted" ;;
*) options+=(--seconds "$seconds") ;;
esac

"$here/install.sh"
case $tape in
'' | simulate) dir=$root/.local/demo ;;
real)
    dir=$root/.local/demo-real
    file=$("$here/real-tape.sh")
    options+=(--source "replay:$file" --symbol XBTUSD --absolute-size)
    ;;
*)
    dir=$root/.local/demo-file
    [ -r "$tape" ] || fail "TAPE=$tape: there is no such file (or TAPE=real)"
    options+=(--source "replay:$tape")
    ;;
esac

say "Building (the first time takes minutes: RocksDB and librdkafka are compiled)"
(cd "$root" && cargo build --release --locked -p tape)
program=$CARGO_TARGET_DIR/release/tape

# shellcheck disable=SC2317 # called by the trap
stop_servers() {
    # A second Ctrl-C must not leave servers behind.
    trap '' INT TERM
    "$here/servers.sh" stop "$dir"
}
if "$here/servers.sh" status "$dir" 2>/dev/null; then
    say "The servers in $dir run already and are left running; make stop ends them"
else
    trap stop_servers EXIT
fi
# Ctrl-C reaches the whole terminal group, tape too: this script only waits. TERM reaches this script alone.
trap ':' INT
child=''
trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' TERM

POSTGRES_FSYNC=${POSTGRES_FSYNC:-on} "$here/servers.sh" start "$dir"
set -a
# shellcheck source=/dev/null
. "$dir/env"
set +a
export STATE_DIR=${STATE_DIR:-$dir/state}


# In the background, so that TERM is handled at once. A background job would have no stdin (hence descriptor 3) and
# would ignore Ctrl-C (hence the reset).
result=0
{ (
    trap - INT TERM
    exec "$program" demo ${options[@]+"${options[@]}"} <&3 3<&-
) & } 3<&0
child=$!
while ! is_gone "$child"; do
    result=0
    wait "$child" || result=$?
done
exit "$result"
