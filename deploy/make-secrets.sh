#!/bin/sh
# Makes every secret that docker-compose.production.yml mounts, each in a file of its own. What is there already is kept,
# so it can be run again at any time: after an update it adds what is new. Needs a POSIX shell and openssl.
#
#   deploy/make-secrets.sh [folder]     deploy/secrets by default
#
# The folder is closed to other users of this machine. The files in it are readable by all, because each container
# reads them as a user of its own. Three files are the operator's to fill: see the end.
set -eu
cd "$(dirname "$0")/.."

folder=${1:-deploy/secrets}
umask 022
mkdir -p "$folder"
chmod 700 "$folder"
printf '*\n' >"$folder/.gitignore"

say() { echo "make-secrets: $*"; }

# put <name> <what to run>: its output becomes the secret, unless there is one.
put() {
  name=$1
  shift
  [ ! -s "$folder/$name" ] || return 0
  rm -f "$folder/$name.part"
  (umask 077 && "$@" >"$folder/$name.part") || { say "$name could not be made" >&2; exit 1; }
  chmod 444 "$folder/$name.part"
  mv "$folder/$name.part" "$folder/$name"
  say "made $name"
}

read_secret() { cat "$folder/$1"; }
# Letters and digits only, so that it stands in a URL as it is.
password() { openssl rand -hex 24; }
postgres_url() { printf 'postgres://%s:%s@%s/%s' "$1" "$(read_secret "$2")" "$3" "$4"; }
app_url() { postgres_url praxis_app app_password "$1" "$2"; }
# Who may come through PgBouncer, as its auth_file lists them.
pgbouncer_users() {
  printf '"praxis_app" "%s"\n"praxis_relay" "%s"\n' "$(read_secret app_password)" "$(read_secret relay_password)"
}
replica_url() { postgres_url praxis_ro readonly_password "$1:5432" "$2"; }
redis_url() { printf 'redis://:%s@%s:6379' "$(read_secret redis_password)" "$1"; }

# replica_urls <shard> <host...>
replica_urls() {
  shard=$1
  shift
  first=yes
  for host in "$@"; do
    [ "$first" = yes ] || printf ','
    first=no
    replica_url "$host" "praxis_shard_$shard"
  done
}

redis_settings() { printf 'requirepass %s\nmasterauth %s\n' "$(read_secret redis_password)" "$(read_secret redis_password)"; }

# What redis_exporter reads: a password for each address.
redis_passwords() {
  printf '{'
  for role in session cache queue; do printf '"redis://redis-%s:6379":"%s",' "$role" "$(read_secret redis_password)"; done
  n=1
  while [ "$n" -le 12 ]; do
    printf '"redis://redis-cluster-%s:%s":"%s"' "$n" "$((6999 + n))" "$(read_secret redis_password)"
    [ "$n" -eq 12 ] || printf ','
    n=$((n + 1))
  done
  printf '}'
}

for name in postgres_password replication_password app_password readonly_password relay_password redis_password \
  grafana_password; do
  put "$name" password
done
# Lost, nothing that is encrypted can be read again: keep a copy of this one elsewhere.
put root_key openssl rand -base64 32
put token_signing_key openssl genpkey -algorithm ed25519

put directory_url app_url shard-1-primary:5432 praxis_directory
for n in 1 2 3; do put "shard_${n}_url" app_url "shard-$n-primary:5432" "praxis_shard_$n"; done
put pooled_directory_url app_url pgbouncer:6432 praxis_directory
for n in 1 2 3; do put "pooled_shard_${n}_url" app_url pgbouncer:6432 "praxis_shard_$n"; done
put pgbouncer_users pgbouncer_users
for n in 1 2 3; do put "shard_${n}_replicas" replica_urls "$n" "shard-$n-replica"; done
put shard_1_replicas_of_2 replica_urls 1 shard-1-replica shard-1-replica-2
put shard_1_replicas_of_3 replica_urls 1 shard-1-replica shard-1-replica-2 shard-1-replica-3

put redis_settings redis_settings
put redis_exporter_passwords redis_passwords
for role in session cache queue; do put "redis_${role}_url" redis_url "redis-$role"; done

# Empty until they are filled: docker compose needs a file for each secret that it mounts.
for name in tls_pem smtp_url alert_webhook_url; do
  [ -e "$folder/$name" ] || { : >"$folder/$name"; chmod 444 "$folder/$name"; }
  [ -s "$folder/$name" ] || say "$folder/$name is empty: see docs/deployment.md"
done
