#!/usr/bin/env bash
# Installs or renews tape on this machine, for systemd; as root. docs/deploy.md.
#
#   install.sh BINARY              the program, the units, the account, and /etc/tape where it is missing
#   install.sh --back              the program that was there before
#   DESTDIR=DIR install.sh …       everything below DIR, and systemd is not spoken to: for packages
#
# Nothing is enabled or started: that says what this machine is to run. What runs already is started again with the new program, one unit
# after the other, each waited for until it is ready; one that does not get ready ends the renewal, and says how to go back.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=${DESTDIR:-}
program=$root/usr/local/bin/tape
# Seconds until a role must be ready. A restore of a large state takes longer: look at its log then.
ready_limit=${READY_LIMIT:-120}

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# The address of a unit's role: what its process was given, else the default.
address_of() {
    local pid name default
    case $1 in
    tape-produce.service) name=HTTP_BIND_PRODUCER default=127.0.0.1:9460 ;;
    tape-process@*) name=HTTP_BIND_PROCESSOR default=127.0.0.1:9461 ;;
    tape-sink.service) name=HTTP_BIND_SINK default=127.0.0.1:9462 ;;
    *) return 1 ;;
    esac
    pid=$(systemctl show --property MainPID --value "$1")
    [ "${pid:-0}" -gt 0 ] || return 1
    { tr '\0' '\n' <"/proc/$pid/environ" | sed -n "s/^$name=//p"; echo "$default"; } | head -n 1
}

is_ready() {
    local address status=''
    systemctl --quiet is-active "$1" || return 1
    address=$(address_of "$1") || return 1
    [ "$address" != off ] || return 0
    {
        exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || return 1
        printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3
        IFS= read -r -t 5 status <&3 || true
        exec 3>&-
    } 2>/dev/null
    case $status in *' 200'*) return 0 ;; *) return 1 ;; esac
}

active() { systemctl list-units --plain --no-legend --state active "$1" | awk '{ print $1 }'; }

restart_roles() {
    local unit deadline
    systemctl daemon-reload
    # Topics and schema first: a sink refuses a schema that is not its own. Then who reads before who writes: sink, processors, producer.
    for unit in $(active tape-topics.service) $(active tape-migrate.service) $(active tape-sink.service) \
        $(active 'tape-process@*.service') $(active tape-produce.service); do
        say "$unit starts again"
        systemctl restart "$unit"
        case $unit in tape-topics.service | tape-migrate.service) continue ;; esac
        deadline=$((SECONDS + ready_limit))
        until is_ready "$unit"; do
            [ "$SECONDS" -lt "$deadline" ] ||
                fail "$unit is not ready after $ready_limit s: journalctl -u $unit; the way back: $0 --back"
            sleep 1
        done
    done
}

put_program() {
    install -d "$root/usr/local/bin"
    [ ! -e "$program" ] || cp -p "$program" "$program.previous"
    # A program that runs cannot be written over, only replaced.
    install -m 755 "$1" "$program.new"
    mv "$program.new" "$program"
}

put_units() {
    local unit
    install -d "$root/etc/systemd/system/tape-.service.d" "$root/etc/sysusers.d"
    for unit in "$here"/*.service "$here"/*.timer "$here"/*.target; do
        install -m 644 "$unit" "$root/etc/systemd/system/"
    done
    install -m 644 "$here"/tape-.service.d/*.conf "$root/etc/systemd/system/tape-.service.d/"
    install -m 644 "$here/tape.sysusers.conf" "$root/etc/sysusers.d/tape.conf"
}

put_settings() {
    local name
    install -d -m 755 "$root/etc/tape"
    install -d -m 750 "$root/etc/tape/secrets"
    # A file that is there is never written over.
    [ -e "$root/etc/tape/tape.env" ] || install -m 644 "$here/../tape.env.example" "$root/etc/tape/tape.env"
    for name in db_owner db_writer massive_api_key; do
        [ -e "$root/etc/tape/secrets/$name" ] || install -m 640 /dev/null "$root/etc/tape/secrets/$name"
    done
    [ -z "$root" ] || return 0
    chgrp -R tape-svc /etc/tape/secrets
}

[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail "as root"
case ${1:-} in
'' | -h | --help)
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' "$0" >&2
    exit 64
    ;;
--back)
    [ -e "$program.previous" ] || fail "there is no $program.previous"
    mv "$program.previous" "$program"
    ;;
*)
    "$1" --version >/dev/null || fail "$1 does not run on this machine"
    put_program "$1"
    put_units
    # Before the secrets, which belong to its group.
    [ -n "$root" ] || systemd-sysusers /etc/sysusers.d/tape.conf
    put_settings
    ;;
esac
[ -n "$root" ] || restart_roles
say "$("$program" --version) is installed"
