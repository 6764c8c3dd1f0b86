#!/usr/bin/env bash
# Makes the secrets that compose.yaml mounts as files, and only those that are missing.
#
#   secrets.sh [DIR]        DIR: default `secrets` beside this file
#
# Passwords of the database and of Grafana are random. Files for what others give you hold a harmless value until you write the real
# one into them: slack_webhook, smtp_password, massive_api_key.
# The folder is closed to everybody else; the files in it are not, because compose mounts each as it is and the containers run as
# users of their own.
set -euo pipefail
dir=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/secrets}
mkdir -p "$dir"
chmod 700 "$dir"

secret() {
    [ ! -s "$dir/$1" ] || return 0
    printf '%s\n' "$2" >"$dir/$1.new"
    chmod 644 "$dir/$1.new"
    mv "$dir/$1.new" "$dir/$1"
    printf 'made %s\n' "$dir/$1"
}
random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

for name in db_superuser db_owner db_writer db_reader grafana_admin; do secret "$name" "$(random)"; done
# Grafana does not start with an empty one, and Alertmanager tries it in vain.
secret slack_webhook http://127.0.0.1:9/slack-is-not-set-up
secret smtp_password smtp-is-not-set-up
secret massive_api_key massive-is-not-set-up
