#!/usr/bin/env bash
# The pods of deploy/k8s as processes on this machine: started in namespaces as the manifests say it (command, environment, user,
# read-only root, volumes), on a real Kafka and a real PostgreSQL of their own, watched by the manifests' probes, through a restore of
# minutes, and stopped (deploy/check/tests/pods.rs). Needs root, and a built `tape` (TAPE_BIN, else the one of `make build`).
#
#   pods.sh
#
# PODS_RESTORE=120: so many seconds the restore takes. Below a minute nothing would be shown, and the test says so.
# The folder with all logs is kept after a failure; the next run removes it, and stops what a killed run left behind.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"
. "$here/kubectl.sh"
[ $# -eq 0 ] || usage
root=$(cd "$here/../.." && pwd -P)
cd "$root"
cache=$(dirname "${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}")
dir=$root/.local/pods-$$
log=$dir/test.log

export TAPE_BIN=${TAPE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape}
[ -x "$TAPE_BIN" ] || fail "there is no $TAPE_BIN: run make build"

# Compiled first: the servers are there for the test alone, and what is compiled belongs to who called.
out=$(mktemp)
trap 'rm -f "$out"' EXIT
choose_kubectl "$cache/tools/manifests/kubectl" "$out"
(cd deploy/check && CARGO_TARGET_DIR=$cache/manifests-target cargo test --quiet --release --locked --test pods --no-run) >"$out" 2>&1 ||
    fail "the test does not compile" "$out"
rm -f "$out"
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "pods need root, for namespaces, users and mounts, and there is no sudo"
    exec sudo env "PATH=$PATH" "HOME=$HOME" "TAPE_BIN=$TAPE_BIN" "KUBECTL=$KUBECTL" ${CARGO_TARGET_DIR:+"CARGO_TARGET_DIR=$CARGO_TARGET_DIR"} \
        ${LOCAL_CACHE:+"LOCAL_CACHE=$LOCAL_CACHE"} ${PODS_RESTORE:+"PODS_RESTORE=$PODS_RESTORE"} "$0"
fi

# Pods end with the test that started them; servers stay.
for old in .local/pods-*; do
    if [ ! -d "$old" ] || ! is_gone "${old##*-}"; then continue; fi
    "$here/servers.sh" remove "$old"
done

finish() {
    local result=$?
    trap '' INT TERM
    if [ "$result" -eq 0 ]; then
        "$here/servers.sh" remove "$dir"
    else
        "$here/servers.sh" stop "$dir"
        say "Failed (exit code $result). Logs of pods: $dir/pods/*/log-*"
    fi
}

mkdir -p "$dir"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
KAFKA_SECURE=1 POSTGRES_FSYNC=off "$here/servers.sh" start "$dir"
# shellcheck source=/dev/null
. "$dir/env"
JAVA=$(find_java)
PSQL=$(find_postgres)/psql
KAFKA_LIB=$(kafka_lib)
export JAVA PSQL KAFKA_LIB PODS_DIR=$dir
started=$SECONDS
(cd deploy/check && CARGO_TARGET_DIR=$cache/manifests-target RUST_BACKTRACE=0 cargo test --quiet --release --locked --test pods -- --nocapture) >"$log" 2>&1 || {
    grep -o 'pods: .*' "$log" >&2 || true
    fail "pods are not as they must be" "$log"
}
sed -n 's/^.*pods: /    /p' "$log" >&2
say "Pods: $(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$log") tests passed in $((SECONDS - started)) s"
