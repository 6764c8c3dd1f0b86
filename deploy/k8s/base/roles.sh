#!/bin/bash
# Once, when the database is made: the owner of the tables, the sink's role and the reader's. `tape migrate` gives them their rights.
# Passwords come from files and reach psql by its standard input, not its command line.
set -euo pipefail
password() { sed "s/'/''/g" "${PASSWORDS:-/run/secrets/database}/$1" | tr -d '\n'; }
psql --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "$POSTGRES_DB" <<SQL
SET standard_conforming_strings = on;
CREATE ROLE tape LOGIN PASSWORD '$(password owner)';
CREATE ROLE tape_writer LOGIN PASSWORD '$(password writer)';
CREATE ROLE tape_reader LOGIN PASSWORD '$(password reader)';
ALTER DATABASE "$POSTGRES_DB" OWNER TO tape;
SQL
