#!/usr/bin/env bash
# Checks image and compose files without Docker:
#
# 1. hadolint reads deploy/Dockerfile   2. docker-compose reads the files as it would for `up`: schema, variables, what is laid over
# what, and names that nobody defines   3. rules of ours on the result: tools/compose_rules.py   4. files that are damaged on purpose
# are refused, each for its reason.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
cd "$here/.."
tools=$("$here/deploy-tools.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tools/hadolint" Dockerfile >"$work/log" 2>&1 || fail "hadolint deploy/Dockerfile" "$work/log"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' ../Cargo.toml)
for file in Dockerfile compose.yaml compose.env.example; do
    grep -q "VERSION=$version\|tape:$version" "$file" || fail "deploy/$file names another version than Cargo.toml, $version"
done
say "Dockerfile: nothing to say"

# What the example names, and what a server must name besides. The caller's own .env is not looked at.
cp compose.env.example "$work/env"
cat >>"$work/env" <<'ENV'
GRAFANA_HOST=tape.example.org
GF_SMTP_HOST=smtp.example.org:587
ALERTMANAGER_CONFIG=/etc/tape/alertmanager.yml
ENV
# The staging server's own file, which is not here.
export ABSENT=/etc/tape/

# judge NAME PUBLIC FILE…: quiet when all is well.
judge() {
    local name=$1 public=$2 file files=()
    shift 2
    for file in "$@"; do files+=(-f "$file"); done
    "$tools/docker-compose" --project-directory . --env-file "$work/env" "${files[@]}" config --format json >"$work/json" 2>"$work/log" &&
        python3 "$here/tools/compose_rules.py" "$name" ${public:+"$public"} <"$work/json" 2>>"$work/log"
}
judge local '' compose.yaml || fail "compose.yaml" "$work/log"
judge live '' compose.yaml compose.live.yaml || fail "compose.live.yaml" "$work/log"
judge staging grafana compose.yaml compose.live.yaml compose.staging.yaml || fail "compose.staging.yaml" "$work/log"
if grep -q '"build"' "$work/json"; then fail "compose.staging.yaml builds an image"; fi
say "Compose: the pipeline, its live feed and the staging server are right"

# damaged WHAT PATTERN SED-SCRIPT: with that change compose.yaml is refused, and PATTERN says why.
damaged() {
    sed "$3" compose.yaml >"$work/damaged.yaml"
    if cmp -s compose.yaml "$work/damaged.yaml"; then fail "$1: the change changes nothing: $3"; fi
    if judge damaged '' "$work/damaged.yaml"; then fail "$1: it was not refused"; fi
    grep -q "$2" "$work/log" || fail "$1: it was refused for another reason" "$work/log"
}
damaged "a misspelt field" "additional properties 'stop_grace_perod' not allowed" 's/stop_grace_period/stop_grace_perod/'
damaged "a value of another type" "read_only" 's/read_only: true/read_only: [often]/'
damaged "a condition that does not exist" "condition" 's/condition: service_healthy/condition: healthy/'
damaged "a service that is not there" 'depends on undefined service "brokers"' 's/^      kafka: {cond/      brokers: {cond/'
damaged "a volume that is not there" 'undefined volume' 's/kafka:\/var\/lib\/kafka/brokers:\/var\/lib\/kafka/'
damaged "a secret that is not there" 'undefined secret' 's/secrets: \[db_writer\]/secrets: [db_writers]/'
# shellcheck disable=SC2016 # compose's variable, not the shell's
damaged "an open port" 'kafka: port 9092 is open beyond' 's/"127.0.0.1:${KAFKA_PORT/"${KAFKA_PORT/'
damaged "an image without version" 'grafana: image' 's/grafana:13[0-9.]*/grafana:latest/'
damaged "no limit of memory" 'process: no limit of memory' 's/^    deploy: {resources: {limits: {memory: 512M}}}//'
damaged "a log without end" 'its log is not rotated' 's/options: {max-size.*/options: {}/'
damaged "a secret in the environment" 'DB_PASSWORD holds a secret' 's/DB_PASSWORD_FILE:.*/DB_PASSWORD: hunter2/'
damaged "a mount that is not there" 'rulez does not exist' 's/prometheus\/rules:/prometheus\/rulez:/'
damaged "a stop that is cut off" 'sink: a stop has 20s' 's/stop_grace_period: 180s/stop_grace_period: 20s/'
damaged "a role that nobody scrapes" 'prometheus asks sink:9462' 's/HTTP_BIND_SINK: .*/HTTP_BIND_SINK: 127.0.0.1:9462/'
damaged "a variable that Grafana's files want" 'wants PROMETHEUS_URL' 's/PROMETHEUS_URL:/PROMETHEUS_ADDRESS:/'
say "Compose: 15 damaged files were refused, each for its reason"
