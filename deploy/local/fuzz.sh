#!/usr/bin/env bash
# `make fuzz`: coverage-guided fuzzing of what reads bytes from outside, with libFuzzer and the stable compiler.
#
#   deploy/local/fuzz.sh [SECONDS [TARGET …]]
#
# Targets are fuzz/targets/*.rs (default: all), SECONDS the time for each (default 60). What was learned stays in .local/fuzz and the next
# run goes on from there. A finding ends the run: its input lies in .local/fuzz/TARGET-findings, and
# `.local/fuzz/bin/TARGET FILE` runs it again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
cd "$here/../../fuzz"
seconds=${1:-60}
shift || true
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS is '$seconds': a whole number from 1"
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
out=$(cd .. && pwd -P)/.local/fuzz
# The coverage that libFuzzer steers by. Only with --target are build scripts left alone.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$option"
done
for target in "${targets[@]}"; do
    [ -f "targets/$target.rs" ] || fail "no target $target: $(cd targets && echo *.rs)"
    say "Building $target"
    RUSTFLAGS=$flags CARGO_TARGET_DIR=$out/build cargo build --quiet --release --locked --target "$host" --bin "$target"
    mkdir -p "$out/bin" "$out/$target-corpus" "$out/$target-findings"
    cp "$out/build/$host/release/$target" "$out/bin/$target"
    say "Fuzzing $target for $seconds s"
    options=(-max_total_time="$seconds" -artifact_prefix="$out/$target-findings/" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
    [ ! -f "$target.dict" ] || options+=(-dict="$target.dict")
    "$out/bin/$target" "${options[@]}" "$out/$target-corpus" "seeds/$target"
done
