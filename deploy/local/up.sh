#!/usr/bin/env bash
# The whole pipeline on this machine, without Docker: Kafka and PostgreSQL as servers.sh starts them, and each role as a process of its
# own in the background. `make up`, `make down`, `make status`.
#
#   up.sh start|stop|status [DIR]        DIR: default .local/up of this checkout
#
# start    servers, topics, schema, then process, sink, maintain and produce, each waited for until it is ready. What runs already is
#          left alone, what has died is started again: a second call mends
# stop     the roles in the order of the stream, each given the time to finish, then the servers. By pid, never by name. Data stay: the
#          next start resumes
# status   each role with its pid and health, then `tape status` with the lag. Exit 0 when all is well, else 3
#
# SOURCE   where trades come from (default simulate): coinbase, massive (MASSIVE_API_KEY_FILE=…), replay:FILE
# Settings of the environment hold, except the addresses of the servers, which are those of DIR; all of them stand in DIR/tape.toml:
#   tape --config .local/up/tape.toml tail breakout-alerts
# The log of a role is DIR/ROLE.log, that of its last run DIR/ROLE.log.1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"

action=${1:-}
if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
root=$(cd "$here/../.." && pwd -P)
dir=$(absolute "${2:-$root/.local/up}")
settings=$dir/tape.toml
program=${CARGO_TARGET_DIR:-$HOME/.cache/tape/target}/release/tape
source=${SOURCE:-simulate}

# In the order of the start. A stop begins at the other end of the stream.
roles=(process sink maintain produce)
stops=(produce process sink maintain)
# Seconds until a role must be ready: a state that is lost is restored first.
ready_limit=120

# The pid of a role that runs; the settings' path on its command line says that it is ours.
pid_of() { running_pid "$dir/$1.pid" "--config $settings $1"; }

# The port of a role's endpoints; empty for one that has none.
port_of() { sed -n "s/^http_bind_$(setting_of "$1") = \"127.0.0.1:\([0-9]*\)\"/\1/p" "$settings" 2>/dev/null; }
setting_of() {
    case $1 in
    produce) echo producer ;;
    process) echo processor ;;
    sink) echo sink ;;
    *) echo none ;;
    esac
}

# Seconds that a stop may take: docs/deploy.md.
stop_limit_of() {
    case $1 in
    process) echo 90 ;;
    sink) echo 180 ;;
    *) echo 40 ;;
    esac
}

# choose_port ROLE DEFAULT: the one that it has; else the usual one, which prometheus.yml looks at; else a free one.
choose_port() {
    local port
    port=$(port_of "$1")
    if pid_of "$1" >/dev/null; then echo "$port" && return; fi
    for port in $port "$2"; do
        if port_is_free "$port"; then echo "$port" && return; fi
    done
    free_port
}

# The servers' addresses, and where this pipeline keeps its own. Other settings are the caller's.
write_settings() {
    local producer processor sink
    producer=$(choose_port produce 9460)
    processor=$(choose_port process 9461)
    sink=$(choose_port sink 9462)
    (
        # shellcheck source=/dev/null
        . "$dir/env"
        cat >"$settings.new" <<TOML
# Written by deploy/local/up.sh at each start.
kafka_bootstrap_servers = ["$KAFKA_BOOTSTRAP_SERVERS"]
db_host = "$DB_HOST"
db_port = $DB_PORT
db_name = "$DB_NAME"
db_user = "$DB_USER"
db_password_file = "$dir/postgres/password"
state_dir = "$dir/state"
http_bind_producer = "127.0.0.1:$producer"
http_bind_processor = "127.0.0.1:$processor"
http_bind_sink = "127.0.0.1:$sink"
log_format = "text"
TOML
    )
    mv "$settings.new" "$settings"
}

# The environment goes before the file: what another pipeline left in it must not.
forget_other_servers() {
    unset KAFKA_BOOTSTRAP_SERVERS KAFKA_BOOTSTRAP DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_PASSWORD_FILE STATE_DIR \
        HTTP_BIND_PRODUCER HTTP_BIND_PROCESSOR HTTP_BIND_SINK TAPE_CONFIG
}

options_of() {
    case $1:$source in
    maintain:*) echo --every 5m ;;
    # A feed has no past to resume.
    produce:massive | produce:coinbase) echo --source "$source" ;;
    produce:*) echo --source "$source" --resume ;;
    esac
}

start_role() {
    local pid options=()
    if pid=$(pid_of "$1"); then
        say "$1 runs already (pid $pid)"
        return 0
    fi
    read -ra options <<<"$(options_of "$1")"
    [ ! -e "$dir/$1.log" ] || mv "$dir/$1.log" "$dir/$1.log.1"
    start_detached "$dir/$1.log" "$program" --config "$settings" "$1" ${options[@]+"${options[@]}"}
    printf '%s\n' "$STARTED_PID" >"$dir/$1.pid"
}

# Ready, or of a role without endpoints: alive.
is_ready() {
    local port
    port=$(port_of "$1")
    if [ -z "$port" ]; then pid_of "$1" >/dev/null; else [ "$(http_get "$port" /health/ready | head -n 1)" = 200 ]; fi
}

start() {
    local role
    [ -x "$program" ] || fail "$program does not exist: make build"
    "$here/servers.sh" start "$dir"
    write_settings
    # With empty input: a question that nobody answers would stop it.
    "$program" --config "$settings" topics >"$dir/topics.log" 2>&1 </dev/null || fail "tape topics" "$dir/topics.log"
    "$program" --config "$settings" migrate >"$dir/migrate.log" 2>&1 </dev/null || fail "tape migrate" "$dir/migrate.log"
    for role in "${roles[@]}"; do start_role "$role"; done
    for role in "${roles[@]}"; do
        WAIT_PID=$(cat "$dir/$role.pid") wait_until "$ready_limit" "Starting $role" "$dir/$role.log" is_ready "$role"
        say "$role is ready (pid $(cat "$dir/$role.pid"))"
    done
    say "Up. make status, make down; tape --config $settings tail breakout-alerts"
}

stop() {
    local role pid
    for role in "${stops[@]}"; do
        if pid=$(pid_of "$role"); then
            stop_process "$pid" TERM "$(stop_limit_of "$role")" "$role"
            say "$role stopped (pid $pid)"
        fi
        rm -f "$dir/$role.pid"
    done
    "$here/servers.sh" stop "$dir"
}

# health_of ROLE: a word, and the reason where there is one.
health_of() {
    local port answer
    port=$(port_of "$1")
    if [ -z "$port" ]; then echo alive && return; fi
    answer=$(http_get "$port" /health/ready) || { echo "does not answer" && return; }
    case $answer in
    200*) echo ready ;;
    *) printf 'not ready: %s\n' "$(sed -n 's/.*"reason":"\([^"]*\)".*/\1/p' <<<"$answer")" ;;
    esac
}

status() {
    local role pid health result=0
    "$here/servers.sh" status "$dir" || result=3
    printf '\n%-10s %-8s %s\n' ROLE PID HEALTH
    for role in "${roles[@]}"; do
        if pid=$(pid_of "$role"); then
            health=$(health_of "$role")
            case $health in ready | alive) ;; *) result=3 ;; esac
        elif [ -s "$dir/$role.pid" ]; then
            pid='-' result=3
            health="gone (was pid $(cat "$dir/$role.pid")): $(tail -n 1 "$dir/$role.log" 2>/dev/null | cut -c 1-120)"
        else
            pid='-' health="does not run" result=3
        fi
        printf '%-10s %-8s %s\n' "$role" "$pid" "$health"
    done
    if [ -x "$program" ] && "$here/kafka.sh" status "$dir" 2>/dev/null; then
        printf '\n'
        LOG_LEVEL=error "$program" --config "$settings" status | tee "$dir/status.txt" || result=3
        # Its exit code says only that it could answer.
        head -n 1 "$dir/status.txt" | grep -q '^All is well' || result=3
    fi
    return "$result"
}

forget_other_servers
case $action in
start) start ;;
stop) stop ;;
status) status ;;
*) usage ;;
esac
