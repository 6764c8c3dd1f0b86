#!/usr/bin/env bash
# `make promtool`: what Prometheus itself says of prometheus/: the configuration, the syntax of the rules, and their tests: each alert
# fires on series that deserve it and is silent on others. Needs no server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

PROMTOOL=1 "$here/install.sh"
promtool=$(find_promtool)
# Paths in the configuration and in the tests are relative to it.
cd "$here/../../prometheus"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# promtool says SUCCESS for each file: shown only when something is wrong.
check() {
    "$promtool" "$@" >"$log" 2>&1 || fail "promtool $1 $2" "$log"
}
check check config prometheus.yml
check check rules rules/*.yaml
check test rules rules/tests/*.yaml
say "Prometheus: configuration, rules and $(grep -c '^  - name: ' rules/tests/*.yaml | awk -F : '{ sum += $2 } END { print sum }') tests of rules are right"
