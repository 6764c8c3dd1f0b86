#!/usr/bin/env bash
# Prints the path of a Python that has the live feed's vendor's own client, for the test that compares it with ours
# (producer/tests/massive.rs). pip fetches it once, into .local/peer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
root=$(cd "$here/../.." && pwd -P)
folder=${LOCAL_CACHE:-$root/.local}/peer
wanted=$root/producer/tests/peer/requirements.txt

PEER=1 "$here/install.sh" >&2
if ! cmp -s "$wanted" "$folder/installed"; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    rm -rf "$folder"
    python3 -m venv "$folder" >"$log" 2>&1 || fail "python3 could not make an environment in $folder" "$log"
    "$folder/bin/pip" --disable-pip-version-check install -r "$wanted" >"$log" 2>&1 </dev/null ||
        fail "pip could not install $(tr '\n' ' ' <"$wanted")" "$log"
    cp "$wanted" "$folder/installed"
fi
printf '%s\n' "$folder/bin/python"
