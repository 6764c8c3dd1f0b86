# shellcheck shell=bash
# Processes, ports and waiting, for the scripts of this folder. Sourced, never run.
#
# A server is known by its pid file AND by a mark on its command line (its own folder), never by its name: a stale pid
# file whose number now belongs to a stranger is seen as "not running".

# One line for the user. Errors and progress go to stderr, so that stdout stays free for values.
say() { printf '%s\n' "$*" >&2; }

# print_doc SCRIPT: its leading comment, which is its manual.
print_doc() { sed -n '2,/^set /{s/^# \{0,1\}//p;}' "$1" >&2; }

# The manual of the script that runs, for whoever calls it wrong.
usage() {
    print_doc "$0"
    exit 64
}

# fail MESSAGE [LOGFILE]: one line that says what is wrong, the end of the log if there is one, exit 1.
fail() {
    say "error: $1"
    if [ -n "${2:-}" ] && [ -s "$2" ]; then
        say "last lines of $2:"
        tail -n 20 "$2" | sed 's/^/    /' >&2
    fi
    exit 1
}

# running_pid PIDFILE MARK: prints the pid if that process lives and is ours.
running_pid() {
    local pid
    [ -s "$1" ] || return 1
    read -r pid <"$1" || return 1
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    ps -ww -p "$pid" -o args= 2>/dev/null | grep -qF -- "$2" || return 1
    printf '%s\n' "$pid"
}

# port_is_free PORT: nobody listens on loopback.
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_becomes_free PORT: waits up to 10 s. After a SIGKILL the system closes the sockets a moment later.
port_becomes_free() {
    local tries
    for tries in $(seq 1 100); do
        if port_is_free "$1"; then return 0; fi
        progress "Waiting for port $1 … $((tries / 10)) s"
        sleep 0.1
    done
    progress_end
    return 1
}

# free_port: a port below the ephemeral range of Linux (32768), so that no outgoing connection can take it meanwhile.
free_port() {
    local port tries
    for tries in $(seq 1 200); do
        port=$((20000 + RANDOM % 12000))
        if port_is_free "$port"; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    fail "found no free port between 20000 and 31999 in $tries tries"
}

# wait_until SECONDS WHAT LOGFILE CONDITION…: runs CONDITION five times a second. On a terminal it shows the seconds.
# Fails when the time is over or, if WAIT_PID is set, as soon as that process has ended.
wait_until() {
    local limit=$1 what=$2 log=$3 started=$SECONDS
    shift 3
    until "$@"; do
        if [ -n "${WAIT_PID:-}" ] && is_gone "$WAIT_PID"; then
            progress_end
            fail "$what: the process ended" "$log"
        fi
        if [ $((SECONDS - started)) -ge "$limit" ]; then
            progress_end
            fail "$what: not done after $limit s" "$log"
        fi
        progress "$what … $((SECONDS - started)) s"
        sleep 0.2
    done
    progress_end
}

# A line that is overwritten, on terminals only.
progress() { [ ! -t 2 ] || printf '\r%s\033[K' "$*" >&2; }
progress_end() { [ ! -t 2 ] || printf '\r\033[K' >&2; }

# Ended, or a zombie that only waits for its parent.
is_gone() {
    case $(ps -p "$1" -o stat= 2>/dev/null) in
    '' | Z*) return 0 ;;
    *) return 1 ;;
    esac
}

# stop_process PID SIGNAL SECONDS NAME: asks it to stop; after SECONDS it is killed, and that is said.
stop_process() {
    local started=$SECONDS
    kill -s "$2" "$1" 2>/dev/null || return 0
    until is_gone "$1"; do
        if [ $((SECONDS - started)) -ge "$3" ]; then
            say "$4 did not stop within $3 s: killed (pid $1)"
            kill -KILL "$1" 2>/dev/null || true
            started=$SECONDS
        fi
        progress "Stopping $4 … $((SECONDS - started)) s"
        sleep 0.1
    done
    progress_end
}

# start_detached OUTPUT COMMAND…: starts it in a process group of its own, so that a Ctrl-C for the demo does not reach
# it, with no terminal and nothing of the caller's open. Sets STARTED_PID.
start_detached() {
    local output=$1
    shift
    set -m
    nohup "$@" </dev/null >"$output" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    # shellcheck disable=SC2034 # read by the caller
    STARTED_PID=$!
    set +m
}

# http_get PORT PATH: asks a server on loopback. Prints the status code, a line break and the body; fails when nobody answers within 5 s.
http_get() (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&3
    IFS=' ' read -r -t 5 _ code _ <&3 || return 1
    printf '%s\n' "$code"
    while IFS= read -r -t 5 line <&3 && [ "${line%$'\r'}" != '' ]; do :; done
    timeout 5 cat <&3
) 2>/dev/null

# absolute DIR: makes the folder and prints its absolute path.
absolute() { mkdir -p "$1" && (cd "$1" && pwd -P); }

# write_env DIR: DIR/env = the settings of the servers that were started there. It holds a password: 0600.
write_env() {
    local part
    (
        umask 077
        {
            printf '# Settings of the local servers in this folder: . %s/env\n' "$1"
            printf 'export LOCAL_SERVERS=%q\n' "$1"
            for part in "$1/kafka/env" "$1/postgres/env" "$1/timescale/env"; do
                [ ! -f "$part" ] || cat "$part"
            done
        } >"$1/env.new"
        mv "$1/env.new" "$1/env"
    )
}
