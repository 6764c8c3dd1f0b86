#!/bin/bash
# The database's roles: the entry point of the image runs this once, when the cluster is made, as its superuser. `tape migrate`
# gives tape_writer and tape_reader their rights (migrations/layout/grants.sql); so they are here before it runs.
#
#   tape         owns the database: migrate, maintain, backup
#   tape_writer  the sink
#   tape_reader  Grafana: SELECT only
set -euo pipefail
password() { tr -d '\r\n' <"/run/secrets/$1"; }

# Passwords come through psql's variables: quoted, and on no command line.
export OWNER_PASSWORD WRITER_PASSWORD READER_PASSWORD
OWNER_PASSWORD=$(password db_owner)
WRITER_PASSWORD=$(password db_writer)
READER_PASSWORD=$(password db_reader)
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv owner OWNER_PASSWORD
\getenv writer WRITER_PASSWORD
\getenv reader READER_PASSWORD
CREATE ROLE tape LOGIN PASSWORD :'owner';
CREATE ROLE tape_writer LOGIN PASSWORD :'writer';
CREATE ROLE tape_reader LOGIN PASSWORD :'reader';
SELECT format('ALTER DATABASE %I OWNER TO tape', current_database()) \gexec
SQL
