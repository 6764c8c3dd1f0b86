#!/usr/bin/env bash
# `make bench-backtest`: five million reproducible trades through `tape backtest`, three times. The outputs must be equal byte
# by byte; printed are the rates and their median.
#
#   bench/backtest.sh [RECORDS] [RUNS]
#
# The file: 1,000 symbols of uneven share, about half an hour of event time, a fifth of the trades out of order by up to 20 s.
set -euo pipefail
records=${1:-5000000}
runs=${2:-3}
program=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A linear congruential generator whose products stay below 2^53, so that every awk computes the same.
awk -v records="$records" 'BEGIN {
    print "symbol,price,size,timestamp"
    state = 1
    for (n = 0; n < records; n++) {
        state = (state * 1103515 + 12345) % 2147483648
        share = state / 2147483648
        symbol = int(1000 * share * share)
        state = (state * 1103515 + 12345) % 2147483648
        back = state % 5 == 0 ? int(state / 5) % 20000 : 0
        price = 10 + symbol + (state % 1000) / 100
        printf "S%d,%.2f,%d,%.0f\n", symbol, price, 1 + state % 500, 1700000000000 + int(n * 1800000 / records) - back
    }
}' >"$folder/trades.csv"
echo "$records trades, $(($(stat -c %s "$folder/trades.csv") / 1000000)) MB"

rates=()
for ((run = 1; run <= runs; run++)); do
    "$program" backtest "$folder/trades.csv" --flush --json \
        --output "$folder/rows-$run.jsonl" --alerts "$folder/alerts-$run.jsonl" 2>"$folder/summary-$run.json"
    cmp "$folder/rows-1.jsonl" "$folder/rows-$run.jsonl"
    cmp "$folder/alerts-1.jsonl" "$folder/alerts-$run.jsonl"
    rate=$(sed -n 's/.*"trades_per_second": *\([0-9]*\).*/\1/p' "$folder/summary-$run.json")
    echo "run $run: $rate trades/s"
    rates+=("$rate")
done
echo "equal byte by byte: $(wc -l <"$folder/rows-1.jsonl") rows, $(wc -l <"$folder/alerts-1.jsonl") alerts"
median=$(printf '%s\n' "${rates[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p")
echo "median: $median trades/s"
