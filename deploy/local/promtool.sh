#!/usr/bin/env bash
# `make promtool`: what Prometheus' and Alertmanager's own tools say of prometheus/: the configurations, the syntax of the rules, and
# their tests: each alert fires on series that deserve it and is silent on others; and each alert reaches the receiver of its
# severity. Needs no server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

PROMTOOL=1 "$here/install.sh"
promtool=$(find_promtool)
# Paths in the configuration and in the tests are relative to it.
cd "$here/../../prometheus"
log=$(mktemp)
copy=$(mktemp -d)
trap 'rm -rf "$log" "$copy"' EXIT

# The tools say SUCCESS for each file: shown only when something is wrong.
quietly() {
    "$@" >"$log" 2>&1 || fail "$(basename "$1") ${*:2}" "$log"
}
quietly "$promtool" check config prometheus.yml
# In its container the one of compose.yaml lies beside the rules.
cp ../deploy/compose/prometheus.yml "$copy/"
ln -s "$PWD/rules" "$copy/rules"
quietly "$promtool" check config "$copy/prometheus.yml"
quietly "$promtool" check rules rules/*.yaml
quietly "$promtool" test rules rules/tests/*.yaml
say "Prometheus: configurations, rules and $(grep -c '^  - name: ' rules/tests/*.yaml | awk -F : '{ sum += $2 } END { print sum }') tests of rules are right"

quietly amtool check-config alertmanager.yml
# "NAME SEVERITY" of each alert. Receivers are called as the severities.
alerts=$(awk '/- alert: / { name = $3 } /^ *severity: / { print name, $2 }' rules/alerts.yaml)
while read -r name severity; do
    quietly amtool config routes test --config.file=alertmanager.yml --verify.receivers="$severity" "alertname=$name" "severity=$severity"
done <<<"$alerts"
# amtool does not try inhibitions; a name that no alert has would make one idle.
while read -r name; do
    grep -q "^$name " <<<"$alerts" || fail "alertmanager.yml names $name, and no alert is called so"
done < <(grep -v '^ *#' alertmanager.yml | grep -o 'Tape[A-Za-z]*' | sort -u)
say "Alertmanager: the configuration is right, and $(grep -c . <<<"$alerts") alerts reach the receiver of their severity"
