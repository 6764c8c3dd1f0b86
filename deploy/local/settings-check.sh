#!/usr/bin/env bash
# Every setting that containers, units, examples and docs give to tape is one that it knows, with a value that it takes; and every
# setting that it knows stands in docs/configuration.md. The judge is `tape config` itself. See tools/settings_check.py.
#
#   settings-check.sh [FILE …]        FILE: further files, such as deploy/k8s/*.yaml, *.env, *.md
#
# PROGRAM (default: the release build): the tape to ask. Builds nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
root=$(cd "$here/../.." && pwd -P)
program=${PROGRAM:-${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape}
[ -x "$program" ] || fail "$program does not exist: make build"
tools=$("$here/deploy-tools.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The settings of the example, each of them given: as a user would have them.
sed 's/^#\([A-Z][A-Z0-9_]*=\)/\1/' "$root/deploy/tape.env.example" >"$work/tape.env"
sed 's/^#\([A-Z][A-Z0-9_]*=\)/\1/' "$root/deploy/compose.env.example" >"$work/compose.env"
# render NAME FILE…: the project as `up` would have it.
render() {
    local name=$1 file files=()
    shift
    for file in "$@"; do files+=(-f "$root/deploy/$file"); done
    SETTINGS=$work/tape.env "$tools/docker-compose" --project-directory "$root/deploy" --env-file "$work/compose.env" "${files[@]}" \
        config --format json >"$work/$name.json" 2>"$work/log" || fail "docker-compose config $*" "$work/log"
}
render compose compose.yaml
render live compose.yaml compose.live.yaml
render staging compose.yaml compose.live.yaml compose.staging.yaml
python3 "$here/tools/settings_check.py" "$program" "$root" "$work" "$@"

# damaged WHAT PATTERN FILE TEXT: with that further file the check fails, and says why.
damaged() {
    printf '%s\n' "$4" >"$work/$3"
    if python3 "$here/tools/settings_check.py" "$program" "$root" "$work" "$work/$3" 2>"$work/log"; then fail "$1: it was not refused"; fi
    grep -q "$2" "$work/log" || fail "$1: it was refused for another reason" "$work/log"
}
damaged "a misspelt name" 'did you mean DB_HOST' a.env 'DB_HOTS=x'
damaged "a value that is none" 'WINDOW_DURATION' b.env 'WINDOW_DURATION=5'
damaged "settings that contradict each other" 'SLIDE_DURATION' c.env $'WINDOW_DURATION=5m\nSLIDE_DURATION=2m'
damaged "a misspelt name in a manifest" 'KAFKA_BOOTSTRAP_SERVER is no setting' d.yaml '        - name: KAFKA_BOOTSTRAP_SERVER'
# shellcheck disable=SC2016 # code of Markdown
damaged "a setting in docs that does not exist" 'SINK_BATCH_SIZE is no setting' e.md 'Set `SINK_BATCH_SIZE=5`.'
say "Settings: 5 damaged files were refused, each for its reason"
