#!/usr/bin/env bash
# Both local servers, Kafka and PostgreSQL, with their data in one folder.
#
#   servers.sh start|stop|restart|kill|status|remove [DIR]        DIR: default .local/demo of this checkout
#
# start    both; then `. DIR/env` gives KAFKA_BOOTSTRAP_SERVERS, DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD
# stop     both, Kafka last
# status   exit 0 when both run, else exit 3
# remove   stops both and deletes DIR with all their data
# See kafka.sh and postgres.sh beside this file for each of them alone.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"

action=${1:-}
dir=${2:-$here/../../.local/demo}
case $action in
start)
    "$here/postgres.sh" start "$dir"
    "$here/kafka.sh" start "$dir"
    ;;
stop | kill | restart)
    # Kafka is stopped even if PostgreSQL could not be.
    result=0
    "$here/postgres.sh" "$action" "$dir" || result=$?
    "$here/kafka.sh" "$action" "$dir" || result=$?
    exit "$result"
    ;;
status)
    result=0
    "$here/postgres.sh" status "$dir" || result=$?
    "$here/kafka.sh" status "$dir" || result=$?
    exit "$result"
    ;;
remove)
    [ -d "$dir" ] || exit 0
    "$here/postgres.sh" remove "$dir"
    "$here/kafka.sh" stop "$dir"
    rm -rf "$dir"
    ;;
*)
    print_doc "${BASH_SOURCE[0]}"
    exit 64
    ;;
esac
