#!/usr/bin/env bash
# Prints the path of the real tape: one million BitMEX XBTUSD trades, header "timestamp,price,size" (timestamp in ms, a
# seller's size negative). Cargo fetches it into its own registry folder at the first call: see real-tape/Cargo.toml.
#
#   tape backtest "$(deploy/local/real-tape.sh)" --symbol XBTUSD --absolute-size
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
metadata=$(cargo metadata --format-version 1 --locked --manifest-path "$here/real-tape/Cargo.toml" 2>"$log") ||
    fail "cargo could not fetch the package trade_aggregation" "$log"
manifest=$(printf '%s' "$metadata" | grep -o '"manifest_path":"[^"]*/trade_aggregation-[^"]*"' | head -n 1 | cut -d '"' -f 4)
file=$(dirname "$manifest")/data/Bitmex_XBTUSD_1M.csv
[ -s "$file" ] || fail "the package trade_aggregation has no $file"
printf '%s\n' "$file"
