#!/bin/sh
# A streaming replica: copies its primary when its data folder is empty, then runs PostgreSQL with the given arguments.
# Stopped in the middle of the copy, it begins again. Needs a POSIX shell and PostgreSQL's own programs.
#
#   PRIMARY_HOST                the primary; also read as POSTGRES_MASTER_SERVICE
#   PRIMARY_PORT                5432
#   REPLICATION_SLOT            a name of its own: the primary keeps what this replica has not got yet
#   REPLICATION_PASSWORD_FILE   password of praxis_replicator
#   PGDATA                      the data folder
#   POSTGRES_COMMAND            what runs PostgreSQL (docker-entrypoint.sh postgres)
set -eu

say() { echo "replica: $*"; }
die() { say "$*" >&2; exit 1; }

primary=${PRIMARY_HOST:-${POSTGRES_MASTER_SERVICE:-}}
port=${PRIMARY_PORT:-5432}
slot=${REPLICATION_SLOT:-}
[ -n "$primary" ] || die 'PRIMARY_HOST is empty'
[ -n "$slot" ] || die 'REPLICATION_SLOT is empty'
[ -n "${PGDATA:-}" ] || die 'PGDATA is empty'
[ -r "${REPLICATION_PASSWORD_FILE:-}" ] || die 'REPLICATION_PASSWORD_FILE cannot be read'

# PostgreSQL takes a password file only when nobody else can read it.
mkdir -p "$(dirname "$PGDATA")"
passfile=$(dirname "$PGDATA")/replication.pgpass
umask 077
sed 's/[:\\]/\\&/g; s/^/*:*:*:praxis_replicator:/' "$REPLICATION_PASSWORD_FILE" >"$passfile"
connection="host=$primary port=$port user=praxis_replicator passfile=$passfile application_name=$slot"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  say "copying $primary"
  rm -rf "$PGDATA.part"
  pg_receivewal --dbname "$connection" --slot "$slot" --create-slot --if-not-exists --no-password
  pg_basebackup --dbname "$connection" --slot "$slot" --pgdata "$PGDATA.part" --wal-method stream \
    --checkpoint fast --write-recovery-conf --no-password
  # An empty folder is what a fresh volume leaves here.
  [ ! -d "$PGDATA" ] || rmdir "$PGDATA"
  mv "$PGDATA.part" "$PGDATA"
  say 'copied'
fi

# shellcheck disable=SC2086
exec ${POSTGRES_COMMAND:-docker-entrypoint.sh postgres} "$@"
