#!/usr/bin/env bash
# A real PostgreSQL on loopback, with a cluster of its own: the system's cluster is never touched.
#
#   postgres.sh start|stop|restart|kill|status|remove [DIR]        DIR: default .local/demo of this checkout
#
# start    makes the cluster at the first start, with the database stockdb and its owner tape (a login that may create
#          databases and roles, no superuser), picks a free port and keeps it, waits until it answers, writes DIR/env
#          for `. DIR/env`. The password is random, in DIR/postgres/password (mode 0600)
# stop     fast shutdown, by the pid in the cluster's postmaster.pid, never by name
# kill     SIGKILL, as a crash (for tests)
# status   exit 0 and one line when it runs, else exit 3
# remove   stops it and deletes the cluster
#
# PostgreSQL refuses to run as root. For root it runs as the user postgres (made by Debian's package) or tape-pg (made
# here). If that user cannot reach DIR (a checkout below /root), the cluster lies in /var/lib/tape-local instead;
# DIR/postgres/location always names it.
# POSTGRES_FSYNC=off: for tests, whose data need not survive the machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

action=${1:-}
if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
root=$(cd "$here/../.." && pwd -P)
dir=$(absolute "${2:-$root/.local/demo}")
home=$dir/postgres
start_limit=60
stop_limit=30

# The account that runs the server; empty when we are not root and it is ourselves.
choose_account() {
    account=''
    [ "$(id -u)" -eq 0 ] || return 0
    if id postgres >/dev/null 2>&1; then
        account=postgres
    else
        account=tape-pg
        id "$account" >/dev/null 2>&1 ||
            useradd --system --no-create-home --shell /usr/sbin/nologin "$account" ||
            fail "the user $account, who runs PostgreSQL for root, could not be made"
    fi
}

# as_account COMMAND…: runs it as that account, in a folder that it can read.
as_account() (
    cd /
    if [ -z "$account" ]; then
        "$@"
    elif command -v runuser >/dev/null; then
        runuser -u "$account" -- "$@"
    else
        sudo -u "$account" -- "$@"
    fi
)

# Where the cluster lies: decided once, kept in DIR/postgres/location.
choose_location() {
    mkdir -p "$home"
    if [ -s "$home/location" ]; then
        read -r location <"$home/location"
        return 0
    fi
    location=$home/server
    if [ -n "$account" ] && ! as_account test -x "$home"; then
        location=/var/lib/tape-local/$(basename "$dir")-$(printf '%s' "$dir" | cksum | cut -d ' ' -f 1)
        say "$account cannot reach $home: the database lies in $location"
        mkdir -p "$(dirname "$location")"
        chmod 755 "$(dirname "$location")"
    fi
    printf '%s\n' "$location" >"$home/location"
}

random_password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# The binaries: of the cluster's own major version if there is a cluster, else the newest.
choose_binaries() {
    local major=''
    if as_account test -s "$location/data/PG_VERSION"; then
        major=$(as_account cat "$location/data/PG_VERSION")
    fi
    bin=$(find_postgres "$major") || fail "no PostgreSQL ${major:-$POSTGRES_MIN or newer} found: run deploy/local/install.sh${major:+, or postgres.sh remove $dir to begin with an empty database}"
}

# A cluster is complete once its password file exists: half a cluster of an interrupted start is made again.
create_cluster() {
    local password
    [ ! -s "$home/password" ] || return 0
    rm -rf "$location"
    mkdir -p "$location"
    chmod 700 "$location"
    [ -z "$account" ] || chown "$account" "$location"
    as_account "$bin/initdb" --pgdata="$location/data" --username=postgres --auth=reject --encoding=UTF8 --locale=C \
        >"$home/initdb.log" 2>&1 || fail "initdb failed" "$home/initdb.log"
    # Only loopback, only with a password; the superuser has none and so cannot log in at all.
    printf 'host all all 127.0.0.1/32 scram-sha-256\n' | as_account tee "$location/data/pg_hba.conf" >/dev/null
    password=$(random_password)
    printf '%s\n' "CREATE ROLE tape LOGIN CREATEDB CREATEROLE PASSWORD '$password'" \
        "CREATE DATABASE stockdb OWNER tape" |
        as_account "$bin/postgres" --single -D "$location/data" postgres >>"$home/initdb.log" 2>&1 ||
        fail "the database stockdb could not be made" "$home/initdb.log"
    (umask 077 && printf '%s\n' "$password" >"$home/password")
}

choose_port() {
    port=''
    [ ! -s "$home/port" ] || read -r port <"$home/port"
    if [ -z "$port" ] || ! port_becomes_free "$port"; then
        [ -z "$port" ] || say "Port $port is taken by another program: PostgreSQL moves to a new one"
        port=$(free_port)
    fi
    printf '%s\n' "$port" >"$home/port"
}

# The postmaster's pid, if it lives and is ours: the first line of postmaster.pid, checked against its command line.
server_pid() {
    local pid
    [ -s "$home/location" ] || return 1
    read -r location <"$home/location"
    pid=$(head -n 1 "$location/data/postmaster.pid" 2>/dev/null) || return 1
    printf '%s\n' "$pid" >"$home/pid"
    running_pid "$home/pid" "$location/data"
}

answers() {
    PGPASSWORD=$(cat "$home/password") PGCONNECT_TIMEOUT=2 "$bin/psql" -h 127.0.0.1 -p "$port" -U tape -d stockdb \
        -Atqc 'SELECT 1' >/dev/null 2>&1
}

write_settings() {
    (
        umask 077
        printf 'export %s\n' DB_HOST=127.0.0.1 "DB_PORT=$(cat "$home/port")" DB_NAME=stockdb DB_USER=tape \
            "DB_PASSWORD=$(cat "$home/password")" >"$home/env"
    )
    write_env "$dir"
}

# After a SIGKILL PostgreSQL refuses to start while the old process is still in the table of processes, as a zombie
# that init has not collected yet (some take seconds).
wait_for_last_one() {
    local pid
    pid=$(head -n 1 "$location/data/postmaster.pid" 2>/dev/null) || return 0
    wait_until 10 "Waiting for the last PostgreSQL (pid $pid) to be gone" '' is_collected "$pid"
}

is_collected() { case $(ps -p "$1" -o stat= 2>/dev/null) in Z*) return 1 ;; *) return 0 ;; esac; }

start() {
    local pid started=$SECONDS
    if pid=$(server_pid); then
        write_settings
        say "PostgreSQL runs already at 127.0.0.1:$(cat "$home/port") (pid $pid)"
        return 0
    fi
    choose_account
    choose_location
    choose_binaries
    create_cluster
    choose_port
    wait_for_last_one
    progress "Starting PostgreSQL"
    if ! as_account "$bin/pg_ctl" start --wait --timeout="$start_limit" -D "$location/data" -l "$location/server.log" -o \
        "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=${POSTGRES_FSYNC:-on}" \
        </dev/null >"$home/start.log" 2>&1; then
        progress_end
        as_account tail -n 20 "$location/server.log" >>"$home/start.log" 2>/dev/null || true
        fail "PostgreSQL did not start" "$home/start.log"
    fi
    wait_until "$start_limit" "Waiting for PostgreSQL" "$location/server.log" answers
    write_settings
    say "PostgreSQL $(postgres_major "$bin") serves at 127.0.0.1:$port (pid $(server_pid), $((SECONDS - started)) s)"
}

stop() {
    local pid
    if ! pid=$(server_pid); then
        say "PostgreSQL does not run in $dir"
        return 0
    fi
    # INT is PostgreSQL's fast shutdown: clients are cut off, data are complete.
    stop_process "$pid" "$1" "$stop_limit" "PostgreSQL"
    say "PostgreSQL stopped (pid $pid)"
}

status() {
    local pid
    if pid=$(server_pid); then
        say "PostgreSQL runs at 127.0.0.1:$(cat "$home/port") (pid $pid)"
    else
        say "PostgreSQL does not run in $dir"
        exit 3
    fi
}

remove() {
    stop INT
    if [ -s "$home/location" ]; then
        read -r location <"$home/location"
        rm -rf "$location"
    fi
    rm -rf "$home"
}

case $action in
start) start ;;
stop) stop INT ;;
kill) stop KILL ;;
restart) stop INT && start ;;
status) status ;;
remove) remove ;;
*) usage ;;
esac
