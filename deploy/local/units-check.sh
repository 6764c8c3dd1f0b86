#!/usr/bin/env bash
# What systemd itself says of deploy/systemd: every unit can be read and names what exists, and how far each service is closed off.
# Needs systemd-analyze (252 or newer), no running systemd.
#
# LIMIT (default 2.0): the largest exposure that is accepted, on systemd's scale from 0 (nothing) to 10.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
units=$here/../systemd
limit=${LIMIT:-2.0}
if ! command -v systemd-analyze >/dev/null; then
    say "Units: not checked, there is no systemd-analyze on this machine"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# As install.sh puts them, with programs that are there: systemd looks for those, too.
DESTDIR=$work/root "$units/install.sh" "${PROGRAM:-/bin/true}" 2>/dev/null
folder=$work/root/etc/systemd/system
sed -i "s|/usr/local/bin/tape|$work/root/usr/local/bin/tape|" "$folder"/*.service
cp "$folder/tape-process@.service" "$folder/tape-process@1.service"
names=()
for unit in "$folder"/*.service "$folder"/*.timer "$folder"/*.target; do
    case $unit in *@.service) ;; *) names+=("$(basename "$unit")") ;; esac
done

# judge: quiet when systemd has nothing to say. The colon keeps the folders of this machine, whose targets ours name.
judge() {
    SYSTEMD_UNIT_PATH=$folder: systemd-analyze verify --man=no "${names[@]}" >"$work/log" 2>&1 && ! grep -q "$folder" "$work/log"
}
judge || fail "systemd-analyze verify" "$work/log"

worst=0
for unit in "${names[@]}"; do
    case $unit in *.service) ;; *) continue ;; esac
    exposure=$(SYSTEMD_UNIT_PATH=$folder: systemd-analyze security --offline=true --no-pager "$unit" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
    [ -n "$exposure" ] || fail "systemd-analyze security $unit says nothing"
    awk -v a="$exposure" -v b="$limit" 'BEGIN { exit a > b }' || fail "$unit: exposure $exposure, accepted is $limit"
    worst=$(printf '%s\n' "$worst" "$exposure" | sort -g | tail -n 1)
done
say "Units: systemd has nothing to say of ${#names[@]}; exposure of the services at most $worst"

# damaged WHAT UNIT SED-SCRIPT
damaged() {
    cp "$folder/$2" "$work/kept"
    sed -i "$3" "$folder/$2"
    ! cmp -s "$work/kept" "$folder/$2" || fail "$1: the change changes nothing: $3"
    if judge; then fail "$1: it was not refused"; fi
    cp "$work/kept" "$folder/$2"
}
damaged "a misspelt key" tape-sink.service 's/^RestartPreventExitStatus/RestartPreventsExitStatus/'
damaged "a value of another type" tape-sink.service 's/^TimeoutStopSec=.*/TimeoutStopSec=long/'
damaged "a time that is none" tape-backup.timer 's/^OnCalendar=.*/OnCalendar=night/'
damaged "a program that is not there" tape-sink.service 's|^ExecStart=[^ ]*|ExecStart=/nowhere/tape|'
say "Units: 4 damaged ones were refused"
