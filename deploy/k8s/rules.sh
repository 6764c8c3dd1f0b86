#!/usr/bin/env bash
# Writes base/rules.yaml, the rules of prometheus/rules as PrometheusRules: the same lines, further in. With --check it only compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
render() {
    echo '# Made by deploy/k8s/rules.sh from prometheus/rules: change those, then run it.'
    local kind
    for kind in recording alerts; do
        printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: tape-%s\n' "$kind"
        printf '  labels: {app.kubernetes.io/part-of: tape}\nspec:\n'
        sed 's/^\(.\)/  \1/' "../../prometheus/rules/$kind.yaml"
    done
}
if [ "${1:-}" = --check ]; then
    render | diff -u base/rules.yaml - >&2 || { echo 'error: base/rules.yaml is not what prometheus/rules says: run deploy/k8s/rules.sh' >&2 && exit 1; }
else
    render >base/rules.yaml
fi
