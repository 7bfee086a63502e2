#!/bin/sh
# Runs once, while a primary's data folder is made: the role that replicas copy and follow the primary with.
#
#   REPLICATION_PASSWORD_FILE   its password
set -eu

[ -r "${REPLICATION_PASSWORD_FILE:-}" ] || { echo 'primary-init: REPLICATION_PASSWORD_FILE cannot be read' >&2; exit 1; }

# psql reads the file itself: the password is in nobody's arguments.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$REPLICATION_PASSWORD_FILE"`
set password_encryption = 'scram-sha-256';
create role praxis_replicator login replication connection limit 10 password :'password';
SQL
