#!/usr/bin/env bash
# Installs what `make demo` and `make test` need besides git and Rust, on Debian and Ubuntu, and only what is missing.
#
#   install.sh             as root, or through sudo; prints one line per package it installs
#   install.sh --check     installs nothing: exit 0 when everything is there, else says what is missing and exits 69
#   TIMESCALE=1 install.sh Node.js and npm, too, for the TimescaleDB of `make test`
#   PEER=1 install.sh      Python 3 with venv, too, for the vendor's client in `make test`
#   VALGRIND=1 install.sh  Valgrind, too, for `make bench-counts`
#   PROMTOOL=1 install.sh  promtool and amtool, too, for `make promtool`: the programs, not the servers that they come with
#
# Needed: Java 17 or newer and Maven (they fetch and run Kafka), PostgreSQL 14 or newer (server programs only: no
# cluster of the system is created, started or touched), clang with libclang, make and perl (they build RocksDB,
# librdkafka and OpenSSL), ps. On any other system it says in one line what to install, and exits 69.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

# Exit code of sysexits.h: a service that we need is not available.
unavailable=69
apt_log=${TMPDIR:-/tmp}/tape-install-$(id -u).log

has() { command -v "$1" >/dev/null 2>&1; }

# name:check:packages, the packages in order of preference.
needs() {
    cat <<'LIST'
Java 17 or newer:find_java:openjdk-17-jre-headless openjdk-21-jre-headless default-jre-headless
Maven:has mvn:maven
PostgreSQL 14 or newer:find_postgres:postgresql
clang:has clang++:clang
libclang:find_libclang:libclang-dev
a linker (cc):has cc:gcc
make:has make:make
perl:perl_is_complete:perl
ps:has ps:procps
LIST
    [ -z "${TIMESCALE:-}" ] || printf '%s\n' 'Node.js 18 or newer:find_node:nodejs' 'npm:has npm:npm'
    [ -z "${PEER:-}" ] || echo "Python 3 with venv:has_venv:python3-venv"
    [ -z "${VALGRIND:-}" ] || echo Valgrind:has valgrind:valgrind
    [ -z "${PROMTOOL:-}" ] || printf '%s\n' "promtool $PROMTOOL_MIN or newer:find_promtool:prometheus" \
        "amtool:has amtool:prometheus-alertmanager"
}

# Debian splits what makes environments off.
has_venv() { python3 -c 'import ensurepip, venv'; }

# OpenSSL's build needs modules that Debian's perl-base lacks.
perl_is_complete() { perl -MFindBin -MIPC::Cmd -MTime::Piece -e 1 2>/dev/null; }

# check is a function name and its arguments, from the list above: word splitting is wanted.
# shellcheck disable=SC2086
is_there() { $1 >/dev/null 2>&1; }

missing() {
    local name check packages
    while IFS=: read -r name check packages; do
        is_there "$check" || printf '%s:%s:%s\n' "$name" "$check" "$packages"
    done < <(needs)
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n true 2>/dev/null || say "sudo is needed to run: $*"
        sudo "$@"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >"$apt_log" 2>&1 </dev/null ||
        fail "apt-get $* failed" "$apt_log"
}

install_packages() { apt install --no-install-recommends "$@"; }

# The first of the packages that this system's archive has.
choose_package() {
    local package
    for package in "$@"; do
        if [ -n "$(apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p')" ]; then
            printf '%s\n' "$package"
            return 0
        fi
    done
    return 1
}

# Debian's server package makes and starts a cluster "main" when it is installed, unless this file says otherwise. The
# file is put back as it was; when we brought it, the setting stays, so that a later upgrade makes no cluster either.
install_postgres() {
    local conf=/etc/postgresql-common/createcluster.conf saved=''
    if [ -e "$conf" ]; then
        saved=$(mktemp)
        cp "$conf" "$saved"
    else
        install_packages postgresql-common
    fi
    as_root sh -c "echo 'create_main_cluster = false' >> '$conf'"
    install_packages "$1"
    if [ -n "$saved" ]; then
        as_root cp "$saved" "$conf"
        rm -f "$saved"
    fi
}

# install_program PACKAGE PROGRAM. Debian's packages prometheus and prometheus-alertmanager start a server when they are installed, where
# there is systemd, and start it again at each boot. Of all that only the tool is wanted, so the package is not installed: its one
# file is taken out of it. It needs nothing but libc.
install_program() {
    local folder result=0
    folder=$(mktemp -d)
    (
        cd "$folder"
        apt download "$1"
        dpkg-deb --fsys-tarfile ./"$1"_*.deb | tar -x "./usr/bin/$2"
        as_root install -D -m 755 "usr/bin/$2" "/usr/local/bin/$2"
    ) || result=$?
    rm -rf "$folder"
    return "$result"
}

install_missing() {
    local name check packages package updated=''
    while IFS=: read -r name check packages; do
        # An earlier package may have brought it.
        if is_there "$check"; then continue; fi
        if [ -z "$updated" ]; then
            progress "Reading package lists"
            apt update
            updated=yes
        fi
        # shellcheck disable=SC2086 # a list of names
        package=$(choose_package $packages) || fail "this system's archive has none of: $packages (for $name)"
        progress "Installing $package"
        case $package in
        postgresql) install_postgres "$package" ;;
        prometheus) install_program "$package" promtool ;;
        prometheus-alertmanager) install_program "$package" amtool ;;
        *) install_packages "$package" ;;
        esac
        progress_end
        is_there "$check" || fail "installed $package, but still found no $name: install it by hand"
        say "Installed $package ($name)"
    done < <(missing)
}

list=$(missing | cut -d : -f 1 | paste -s -d ',' - | sed 's/,/, /g')
if [ -z "$list" ]; then exit 0; fi
if [ "${1:-}" = --check ]; then
    say "Missing: $list. Run deploy/local/install.sh"
    exit "$unavailable"
fi
if ! has apt-get; then
    say "Please install: $list (this script installs by itself on Debian and Ubuntu only)"
    exit "$unavailable"
fi
if [ "$(id -u)" -ne 0 ] && ! has sudo; then
    say "Please install as root (there is no sudo here): $list"
    exit "$unavailable"
fi
install_missing
