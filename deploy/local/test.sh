#!/usr/bin/env bash
# `make test`: everything that must be true of a commit, from a clean clone, on Debian or Ubuntu with git and Rust.
#
# 1. installs what is missing   2. format   3. rules of Prometheus (promtool.sh)   4. clippy, warnings are errors   5. builds the
# tests, and holds deploy/ against the new program (make deploy-check, make manifests, make pods)   6. starts a real Kafka, a real PostgreSQL and a small TimescaleDB
# in .local/test-PID   7. runs all tests with their settings in the environment   8. stops the servers by pid, also after a failure or Ctrl-C   9. two minutes of faults, and two
# processors that commit in a wrong order, on servers of their own (chaos.sh). After a failure the folder with the logs is kept;
# the next run removes it, and stops what a killed run left behind.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
root=$(cd "$here/../.." && pwd -P)
cd "$root"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}
dir=$root/.local/test-$$

step() { say "== $* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; }

# A component that a minimal Rust installation lacks is added; without rustup that is the user's to do.
component() {
    cargo "$1" --version >/dev/null 2>&1 || rustup component add "$2" >/dev/null 2>&1 ||
        fail "cargo $1 is missing: rustup component add $2"
}

remove_leftovers() {
    local old
    for old in .local/test-*; do
        if [ ! -d "$old" ] || ! is_gone "${old##*-}"; then continue; fi
        "$here/timescale.sh" remove "$old"
        "$here/servers.sh" remove "$old"
    done
}

finish() {
    local result=$?
    trap '' INT TERM
    if [ "$result" -eq 0 ]; then
        "$here/timescale.sh" remove "$dir"
        "$here/servers.sh" remove "$dir"
        step "Everything passed"
    else
        "$here/timescale.sh" stop "$dir"
        "$here/servers.sh" stop "$dir"
        say "Failed (exit code $result). The servers' logs: $dir/kafka/server.log, $dir/timescale/server.log, $(cat "$dir/postgres/location")/server.log"
    fi
}

TIMESCALE=1 "$here/install.sh"
component fmt rustfmt
component clippy clippy
remove_leftovers

step "Format"
cargo fmt --all --check
cargo fmt --manifest-path deploy/check/Cargo.toml --check
step "Rules of Prometheus"
"$here/promtool.sh"
step "Clippy"
cargo clippy --release --locked --workspace --all-targets -- -D warnings
step "Building the tests"
cargo test --release --locked --workspace --no-run
cargo build --release --locked --workspace --bins
REAL_TAPE=$("$here/real-tape.sh")
export REAL_TAPE
PEER_PYTHON=$("$here/peer.sh")
export PEER_PYTHON

step "Deployment"
if [ "$(uname -sm)" = "Linux x86_64" ]; then
    make deploy-check
    "$here/manifests.sh"
    "$here/pods.sh"
else
    say "Left out: its programs are for Linux on x86-64"
fi

step "Starting the servers"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
POSTGRES_FSYNC=off "$here/servers.sh" start "$dir"
"$here/timescale.sh" start "$dir"
set -a
# shellcheck source=/dev/null
. "$dir/env"
set +a
step "Tests"
cargo test --release --locked --workspace

# The machine is theirs: the tests' servers go first.
"$here/timescale.sh" stop "$dir"
"$here/servers.sh" stop "$dir"
step "Faults for two minutes"
"$here/chaos.sh" --minutes 2
step "Wrong orders of a commit"
"$here/chaos.sh" --mutation state-first,offsets-outside
