#!/bin/sh
# Makes one Redis Cluster of the nodes in REDIS_CLUSTER_NODES (host:port,host:port,...) and waits until it serves.
# Run it at every deployment: where a cluster is already, nothing is changed, except that nodes which came back under
# other addresses are introduced to each other again. Needs a POSIX shell, redis-cli 7 or newer, awk and sed.
#
#   REDIS_CLUSTER_NODES      6 nodes or more for 3 primaries with a replica each
#   REDIS_CLUSTER_REPLICAS   replicas of each primary (1)
#   REDIS_PASSWORD           or REDIS_PASSWORD_FILE: of all nodes
#   REDIS_TLS                true: the nodes want TLS
#   REDIS_CLUSTER_WAIT       seconds to wait for the nodes, and then for the cluster (60)
#   REDIS_CLI                another redis-cli, for example valkey-cli
set -eu

slots=16384
cli=${REDIS_CLI:-redis-cli}
replicas=${REDIS_CLUSTER_REPLICAS:-1}
patience=${REDIS_CLUSTER_WAIT:-60}
nodes=$(echo "${REDIS_CLUSTER_NODES:-}" | tr ',' ' ')
[ -z "${REDIS_PASSWORD_FILE:-}" ] || REDIS_PASSWORD=$(cat "$REDIS_PASSWORD_FILE")
if [ -n "${REDIS_PASSWORD:-}" ]; then
  # By the environment: other users of the machine can read arguments.
  REDISCLI_AUTH=$REDIS_PASSWORD
  export REDISCLI_AUTH
fi
tls=
[ "${REDIS_TLS:-false}" != true ] || tls=--tls

say() { echo "redis-cluster-init: $*"; }
die() { say "$*" >&2; exit 1; }

host_of() { echo "${1%:*}" | tr -d '[]'; }
port_of() { echo "${1##*:}"; }

# ask <node> <command...>
ask() {
  asked=$1
  shift
  # shellcheck disable=SC2086
  "$cli" $tls -h "$(host_of "$asked")" -p "$(port_of "$asked")" "$@" 2>&1 | tr -d '\r'
}

# Nodes know each other by address, not by name.
address_of() {
  host=$(host_of "$1")
  case $host in
    *[!0-9.]*) found=$(getent hosts "$host" 2>/dev/null | awk '{ print $1; exit }') ;;
    *) found= ;;
  esac
  echo "${found:-$host}:$(port_of "$1")"
}

# until_true <function>: asks it again for as long as we have patience.
until_true() {
  deadline=$(($(date +%s) + patience))
  until "$@"; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep 0.1 2>/dev/null || sleep 1
  done
}

answers() {
  answer=$(ask "$1" PING) || true
  case $answer in
    *NOAUTH* | *WRONGPASS*) die "$1 wants another password" ;;
  esac
  [ "$answer" = PONG ]
}

# A node that knows another one or holds slots belongs to a cluster.
is_taken() {
  ask "$1" CLUSTER INFO | awk -F: '
    $1 == "cluster_known_nodes" && $2 > 1 { taken = 1 }
    $1 == "cluster_slots_assigned" && $2 > 0 { taken = 1 }
    END { exit !taken }'
}

create() {
  addresses=
  for node in $nodes; do addresses="$addresses $(address_of "$node")"; done
  say "creating a cluster of $count nodes"
  # shellcheck disable=SC2086
  "$cli" $tls --cluster create $addresses --cluster-replicas "$replicas" --cluster-yes || die 'could not create the cluster'
}

# Tells the first node of every other one that it does not know under its present address.
introduce() {
  known=$(ask "$first" CLUSTER NODES | awk '{ sub(/@.*/, "", $2); print $2 }')
  for node in $nodes; do
    address=$(address_of "$node")
    [ "$node" != "$first" ] || continue
    if echo "$known" | grep -qxF "$address"; then continue; fi
    say "introducing $node at $address"
    ask "$first" CLUSTER MEET "${address%:*}" "${address##*:}" >/dev/null
  done
}

serves() {
  for node in $nodes; do
    ask "$node" CLUSTER INFO | awk -F: -v slots="$slots" -v count="$count" '
      { info[$1] = $2 }
      END { exit !(info["cluster_state"] == "ok" && info["cluster_slots_ok"] == slots && info["cluster_known_nodes"] >= count) }' ||
      return 1
  done
}

# Before a replica has copied its primary it cannot take its place.
copies_are_whole() {
  for node in $nodes; do
    if ask "$node" INFO replication | grep -q '^master_link_status:down'; then return 1; fi
  done
}

# The fewest living replicas that a primary with slots has.
fewest_replicas() {
  ask "$first" CLUSTER NODES | awk '
    $3 ~ /fail|noaddr/ { next }
    $3 ~ /master/ && NF > 8 { primary[$1] = 1 }
    $3 ~ /slave/ { replicas[$4]++ }
    END { least = -1; for (id in primary) if (least < 0 || replicas[id] + 0 < least) least = replicas[id] + 0; print least }'
}

has_replicas() { [ "$(fewest_replicas)" -ge "$replicas" ] && copies_are_whole; }

[ -n "$nodes" ] || die 'REDIS_CLUSTER_NODES is empty'
count=0
first=
for node in $nodes; do
  count=$((count + 1))
  first=${first:-$node}
done
for node in $nodes; do
  until_true answers "$node" || die "$node did not answer in $patience s"
done

taken=0
empty=
for node in $nodes; do
  if is_taken "$node"; then taken=$((taken + 1)); else empty="$empty $node"; fi
done
if [ "$taken" -eq 0 ]; then
  create
elif [ -n "$empty" ]; then
  die "empty, while the others hold a cluster:$empty; add it with: $cli --cluster add-node <it> $first --cluster-slave"
else
  introduce
fi

until_true serves || die "not all $slots slots are served after $patience s; see: $cli --cluster check $first"
until_true has_replicas || say "a primary has fewer than $replicas replicas with a whole copy; see: $cli --cluster check $first" >&2
say "$count nodes serve all $slots slots"
