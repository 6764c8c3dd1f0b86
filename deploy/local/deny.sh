#!/usr/bin/env bash
# `make deny`: licences, bans and sources of every dependency, by deny.toml, also of the two workspaces beside the main one: the checks of
# manifests and the fuzz targets. cargo-deny is compiled once (minutes) into
# a folder beside cargo's target folder. The advisories need the network: they run only with ADVISORIES=1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
cd "$here/../.."
version=0.20.2
tools=$(dirname "${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}")/tools
program=$tools/bin/cargo-deny

if ! "$program" --version 2>/dev/null | grep -qF " $version"; then
    say "Installing cargo-deny $version into $tools (minutes, once)"
    CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --root "$tools" --version "$version" cargo-deny
    rm -rf "$tools/target"
fi
checks=(bans licenses sources)
[ -z "${ADVISORIES:-}" ] || checks+=(advisories)
"$program" --workspace check "${checks[@]}"
# The small ones have little of what deny.toml allows or bans, and that is no news.
for manifest in deploy/check/Cargo.toml fuzz/Cargo.toml; do
    say "$manifest"
    "$program" --manifest-path "$manifest" --config deny.toml --locked check "${checks[@]}" \
        --allow license-not-encountered --allow unused-wrapper --allow unmatched-skip
done
