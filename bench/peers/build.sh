#!/usr/bin/env bash
# Builds the peers of the benchmark, Kafka Streams and Flink, unless they are built already.
#
#   bench/peers/build.sh
#
# PEERS_DIR (default .local/peers of this checkout): where they go. For each of streams and flink:
#   lib/*.jar    the program and all it needs        jvm.args    the JVM's own arguments
# java @"$PEERS_DIR/streams/jvm.args" -cp "$PEERS_DIR/streams/lib/*" tape.bench.StreamsPeer --bootstrap …
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
# shellcheck source=../../deploy/local/process.sh
. "$root/deploy/local/process.sh"
[ $# -eq 0 ] || {
    print_doc "${BASH_SOURCE[0]}"
    exit 64
}

peers=$(absolute "${PEERS_DIR:-$root/.local/peers}")
stamp=$(cd "$here" && find . -type f ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
[ "$stamp" != "$(cat "$peers/.built" 2>/dev/null)" ] || exit 0

command -v mvn >/dev/null || fail "Maven is missing: run deploy/local/install.sh"
say "Building the peers of the benchmark (Kafka Streams, Flink) into $peers"
rm -rf "$peers/.built" "$peers/build" "$peers/streams" "$peers/flink"
mvn -B -f "$here/pom.xml" package -Dpeers.directory="$peers" >"$peers/build.log" 2>&1 </dev/null ||
    fail "the peers could not be built: $(grep -m 1 '^\[ERROR\]' "$peers/build.log" || echo 'Maven failed')" "$peers/build.log"
for peer in streams flink; do
    cp "$here/$peer/jvm.args" "$peers/$peer/"
done
printf '%s\n' "$stamp" >"$peers/.built"
