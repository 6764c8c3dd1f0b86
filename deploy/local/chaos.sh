#!/usr/bin/env bash
# The crash harness, on servers of its own, with what it needs put right before and after it: tape-chaos --help.
#
#   chaos.sh [OPTIONS OF tape-chaos]
#
# Builds nothing. The report goes to .local/chaos-PID unless --report names another folder. Processes, servers and mounts that
# a killed run left behind are removed at the next start.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
root=$(cd "$here/../.." && pwd -P)
cd "$root"
program=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape-chaos
[ -x "$program" ] || fail "$program does not exist: make build"

# Each run writes the pids of its processes into its folder; a pid counts only with the folder in its environment.
remove_leftovers() {
    local old pid mount
    for old in .local/chaos-*; do
        if [ ! -d "$old" ] || ! is_gone "${old##*-}"; then continue; fi
        { cat "$old"/pids "$old"/*/pids 2>/dev/null || true; } | while read -r pid; do
            if { tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -qF "STATE_DIR=$root/$old/"; then
                kill -KILL "$pid" 2>/dev/null || true
            fi
        done
        for mount in "$old"/state/* "$old"/*/state/*; do
            if mountpoint -q "$mount" 2>/dev/null; then umount -l "$mount" 2>/dev/null || sudo -n umount -l "$mount" || true; fi
        done
        for mount in "$old"/servers "$old"/*/servers; do
            [ ! -d "$mount" ] || "$here/servers.sh" stop "$mount"
        done
    done
}

remove_leftovers
exec "$program" --report "$root/.local/chaos-$$" "$@"
