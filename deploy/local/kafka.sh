#!/usr/bin/env bash
# A real Apache Kafka broker (KRaft, one node, loopback) without Docker.
#
#   kafka.sh start|stop|restart|kill|status [DIR]        DIR: default .local/demo of this checkout
#
# start    fetches the broker's jars once (Maven, 54 MB, into .local/kafka-VERSION), formats DIR/kafka/data at the first
#          start, picks free ports and keeps them, waits until the broker serves, writes DIR/env for `. DIR/env`
# stop     asks the broker to stop and waits; by the pid in DIR/kafka/pid, never by name
# kill     SIGKILL, as a crash: the data stay as they are (for tests)
# status   exit 0 and one line when it runs, else exit 3
#
# LOCAL_CACHE (default .local of this checkout): where the jars are kept.   KAFKA_HEAP (default 768m): the Java heap.
# KAFKA_GROUP_DELAY_MS (default 0): how long a new group waits for more members before it shares the partitions out.
# KAFKA_PROXIES="PORT:ADVERTISED …": more ports to listen on, each telling its clients to come back by the other port, where
# a proxy stands: what a proxy cuts or slows down stays cut and slow. Give it at every start.
# KAFKA_SECURE=1: one more port with TLS and log-in by SCRAM-SHA-512, and rights that count there, as the brokers of deploy/k8s have
# them: KAFKA_SECURE_SERVERS and the certificate KAFKA_SECURE_CA in DIR/env. Who comes by the plain port may do everything.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/process.sh"
. "$here/tools.sh"

action=${1:-}
if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
root=$(cd "$here/../.." && pwd -P)
dir=$(absolute "${2:-$root/.local/demo}")
home=$dir/kafka
pid_file=$home/pid
mark=-Dtape.local.dir=$dir/
log=$home/server.log
version=$(kafka_version)
lib=$(kafka_lib)

# Seconds until a start or stop counts as failed. A start after a crash of a large log takes the longest.
start_limit=120
stop_limit=30

fetch_jars() {
    local fetch_log
    [ ! -e "$lib/.complete" ] || return 0
    command -v mvn >/dev/null || fail "Maven is missing: run deploy/local/install.sh"
    say "Fetching Apache Kafka $version (54 MB) into $lib"
    mkdir -p "$lib"
    fetch_log=$lib/../fetch.log
    if ! mvn -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$lib" >"$fetch_log" 2>&1 </dev/null; then
        fail "Maven could not fetch Apache Kafka $version" "$fetch_log"
    fi
    touch "$lib/.complete"
}

# Ports are picked at the first start; one that a stranger has taken meanwhile is picked again.
choose_ports() {
    local port='' controller=''
    [ ! -s "$home/ports" ] || read -r port controller <"$home/ports"
    if [ -z "$port" ] || ! port_becomes_free "$port"; then
        [ -z "$port" ] || say "Port $port is taken by another program: Kafka moves to a new one"
        port=$(free_port)
    fi
    while [ -z "$controller" ] || [ "$controller" = "$port" ] || ! port_becomes_free "$controller"; do
        controller=$(free_port)
    done
    printf '%s %s\n' "$port" "$controller" >"$home/ports"
    sed -e "s|@DIR@|$dir|g" -e "s|@PORT@|$port|g" -e "s|@CONTROLLER_PORT@|$controller|g" \
        -e "s|^group.initial.rebalance.delay.ms=.*|group.initial.rebalance.delay.ms=${KAFKA_GROUP_DELAY_MS:-0}|" \
        "$here/kafka/server.properties" >"$home/server.properties"
    add_proxies
    [ -z "${KAFKA_SECURE:-}" ] || add_secure
}

add_proxies() {
    local pair name number=0
    for pair in ${KAFKA_PROXIES:-}; do
        number=$((number + 1)) name=PROXY$number
        sed -i -e "s|^listeners=.*|&,$name://127.0.0.1:${pair%:*}|" \
            -e "s|^advertised.listeners=.*|&,$name://127.0.0.1:${pair#*:}|" \
            -e "s|^listener.security.protocol.map=.*|&,$name:PLAINTEXT|" "$home/server.properties"
    done
}

# The certificate signs itself, so that it is its own authority. The password of the key store is no secret: the key is not worth one.
add_secure() {
    local port='' store=$home/secure.p12
    [ ! -s "$home/secure-port" ] || read -r port <"$home/secure-port"
    while [ -z "$port" ] || ! port_becomes_free "$port"; do port=$(free_port); done
    printf '%s\n' "$port" >"$home/secure-port"
    if [ ! -s "$home/ca.crt" ]; then
        rm -f "$store"
        "$(dirname "$java")/keytool" -genkeypair -alias broker -keyalg EC -validity 3650 -dname CN=localhost -ext san=ip:127.0.0.1,dns:localhost \
            -storetype PKCS12 -keystore "$store" -storepass local-broker >"$home/keytool.log" 2>&1 ||
            fail "keytool could not make a certificate" "$home/keytool.log"
        "$(dirname "$java")/keytool" -exportcert -rfc -alias broker -keystore "$store" -storepass local-broker >"$home/ca.crt" 2>>"$home/keytool.log" ||
            fail "keytool could not write the certificate" "$home/keytool.log"
    fi
    sed -i -e "s|^listeners=.*|&,SECURE://127.0.0.1:$port|" -e "s|^advertised.listeners=.*|&,SECURE://127.0.0.1:$port|" \
        -e "s|^listener.security.protocol.map=.*|&,SECURE:SASL_SSL|" "$home/server.properties"
    cat >>"$home/server.properties" <<SECURE

listener.name.secure.ssl.keystore.location=$store
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.password=local-broker
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
SECURE
}

run_java() { "$java" -Xmx256m -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" \
    -Dtape.local.log="$home/format.log" -cp "$lib/*" "$@"; }

format() {
    local cluster
    [ ! -e "$home/data/meta.properties" ] || return 0
    # A cluster id is 16 random bytes in URL-safe base64. A leading '-' would read as an option.
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | sed 's/^-/A/')
    run_java kafka.tools.StorageTool format --cluster-id "$cluster" --config "$home/server.properties" \
        >"$home/format.out" 2>&1 || fail "Kafka's storage could not be formatted" "$home/format.out"
}

# The port opens before the broker has taken over its partitions; the log line is what comes last.
serves() { grep -q 'Kafka Server started' "$log" 2>/dev/null && ! port_is_free "$port"; }

start() {
    local pid port started=$SECONDS
    mkdir -p "$home"
    if pid=$(running_pid "$pid_file" "$mark"); then
        write_env "$dir"
        say "Kafka $version runs already at $(sed -n 's/^export KAFKA_BOOTSTRAP_SERVERS=//p' "$home/env") (pid $pid)"
        return 0
    fi
    java=$(find_java) || fail "no Java $JAVA_MIN or newer found: run deploy/local/install.sh"
    fetch_jars
    choose_ports
    format
    # The log begins anew, because its last line says that the broker serves; the last 64 MiB of earlier starts are kept beside it.
    if [ -e "$log" ]; then
        { cat "$home/earlier.log" 2>/dev/null || true; cat "$log"; } | tail -c 67108864 >"$home/earlier.new"
        mv "$home/earlier.new" "$home/earlier.log"
    fi
    rm -f "$log" "$pid_file"
    read -r port _ <"$home/ports"
    start_detached "$home/stdout.log" "$java" "$mark" -Xms256m -Xmx"${KAFKA_HEAP:-768m}" -XX:+ExitOnOutOfMemoryError \
        -Djava.awt.headless=true -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" \
        -Dtape.local.log="$log" -cp "$lib/*" kafka.Kafka "$home/server.properties"
    printf '%s\n' "$STARTED_PID" >"$pid_file"
    if ! (WAIT_PID=$STARTED_PID wait_until "$start_limit" "Starting Kafka $version" "$log" serves); then
        stop KILL
        exit 1
    fi
    printf 'export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:%s\n' "$port" >"$home/env"
    [ -z "${KAFKA_SECURE:-}" ] || printf 'export %s\n' "KAFKA_SECURE_SERVERS=127.0.0.1:$(cat "$home/secure-port")" \
        "$(printf 'KAFKA_SECURE_CA=%q' "$home/ca.crt")" >>"$home/env"
    write_env "$dir"
    say "Kafka $version serves at 127.0.0.1:$port (pid $STARTED_PID, $((SECONDS - started)) s)"
}

stop() {
    local pid
    if ! pid=$(running_pid "$pid_file" "$mark"); then
        say "Kafka does not run in $dir"
        return 0
    fi
    stop_process "$pid" "$1" "$stop_limit" "Kafka"
    rm -f "$pid_file"
    say "Kafka stopped (pid $pid)"
}

status() {
    local pid
    if pid=$(running_pid "$pid_file" "$mark"); then
        say "Kafka $version runs at $(sed -n 's/^export KAFKA_BOOTSTRAP_SERVERS=//p' "$home/env" 2>/dev/null) (pid $pid)"
    else
        say "Kafka does not run in $dir"
        exit 3
    fi
}

case $action in
start) start ;;
stop) stop TERM ;;
kill) stop KILL ;;
restart) stop TERM && start ;;
status) status ;;
*) usage ;;
esac
