# shellcheck shell=bash
# Finds the programs that the scripts of this folder need. Sourced, never run.
# Each function prints a path and returns 0, or prints nothing and returns 1.

# Oldest Java that Kafka 4 brokers run on, oldest PostgreSQL that the migrations are tested with, oldest Node.js that PGlite runs
# on, and oldest Prometheus 2 that knows keep_firing_for.
JAVA_MIN=17
POSTGRES_MIN=14
NODE_MIN=18
PROMTOOL_MIN=2.42

java_major() { "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }

# A Java of at least JAVA_MIN: JAVA_HOME's, the one in PATH, else any that the system keeps.
find_java() {
    local java major
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java \
        /Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java /opt/homebrew/opt/openjdk*/bin/java; do
        [ -x "$java" ] || continue
        major=$(java_major "$java")
        if [ "${major:-0}" -ge "$JAVA_MIN" ]; then
            printf '%s\n' "$java"
            return 0
        fi
    done
    return 1
}

# The local broker's version, and where its jars lie; of the script that asks: $here, this folder, and $root, the repository.
kafka_version() { sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/kafka/pom.xml"; }
kafka_lib() { printf '%s' "${LOCAL_CACHE:-$root/.local}/kafka-$(kafka_version)/lib"; }

postgres_major() { "$1/postgres" --version 2>/dev/null | sed -n 's/^[^0-9]*\([0-9]*\).*/\1/p'; }

# The folder with initdb, pg_ctl, postgres and psql: the newest of at least POSTGRES_MIN, or of exactly major $1.
find_postgres() {
    local wanted=${1:-} folder major best='' best_major=0
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
        "$(dirname "$(command -v postgres || echo /none/postgres)")"; do
        if [ ! -x "$folder/postgres" ] || [ ! -x "$folder/initdb" ] || [ ! -x "$folder/pg_ctl" ]; then continue; fi
        major=$(postgres_major "$folder")
        [ "${major:-0}" -ge "$POSTGRES_MIN" ] || continue
        [ -z "$wanted" ] || [ "$major" -eq "$wanted" ] || continue
        if [ "$major" -gt "$best_major" ]; then
            best=$folder best_major=$major
        fi
    done
    [ -n "$best" ] && printf '%s\n' "$best"
}

# Debian's old package calls the program nodejs.
find_node() {
    local node major
    for node in "$(command -v node || true)" "$(command -v nodejs || true)"; do
        [ -x "$node" ] || continue
        major=$("$node" --version | sed -n 's/^v\([0-9]*\).*/\1/p')
        if [ "${major:-0}" -ge "$NODE_MIN" ]; then
            printf '%s\n' "$node"
            return 0
        fi
    done
    return 1
}

# libclang, which writes the RocksDB bindings at build time.
find_libclang() {
    local file
    for file in "${LIBCLANG_PATH:-/none}"/libclang*.so* /usr/lib/llvm-*/lib/libclang.so* \
        /usr/lib/llvm-*/lib/libclang-[0-9]*.so* /usr/lib/*/libclang-[0-9]*.so* /usr/lib64/libclang.so* \
        /usr/lib64/llvm*/lib/libclang.so* /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
        /opt/homebrew/opt/llvm/lib/libclang.dylib; do
        if [ -e "$file" ]; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    return 1
}

# promtool, of at least PROMTOOL_MIN.
find_promtool() {
    local program version
    program=$(command -v promtool) || return 1
    version=$("$program" --version 2>&1 | sed -n 's/^promtool, version \([0-9]*\.[0-9]*\).*/\1/p')
    [ "$(printf '%s\n' "$PROMTOOL_MIN" "${version:-0}" | sort -V | head -n 1)" = "$PROMTOOL_MIN" ] || return 1
    printf '%s\n' "$program"
}
