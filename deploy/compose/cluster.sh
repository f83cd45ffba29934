#!/bin/sh
# cluster.sh PRIMARIES HOST:PORT...: makes the servers one cluster. The first begin as primaries, each of the others as the
# replica of one. It takes the steps that are missing: a run that was cut off is gone on with, a failover stays as it is.
set -eu
export REDISCLI_AUTH="$ADMIN_PASSWORD"

# How long all steps may wait.
seconds_left=60
slots=16384
primaries=$1
shift
servers=$*
count=$#

# ask HOST:PORT COMMAND...
ask() {
    server=$1
    shift
    redis-cli -e -h "${server%:*}" -p "${server#*:}" "$@"
}

# myself HOST:PORT: what it says of itself: id, address, flags, ..., and its slots from the ninth field on.
myself() { ask "$1" cluster nodes | grep myself; }

# is_new HOST:PORT: a primary without slots: nobody has given it a place yet.
is_new() { myself "$1" | awk '{ exit !($3 ~ /master/ && NF == 8) }'; }

# until_all COMMAND WHAT: waits until the command succeeds for each of the servers.
until_all() {
    for one in $servers; do
        until "$1" "$one"; do
            if [ "$seconds_left" -le 0 ]; then
                echo "$one is not $2: look at its log" >&2
                exit 1
            fi
            seconds_left=$((seconds_left - 1))
            sleep 1
        done
    done
}

answers() { [ "$(ask "$1" ping 2>/dev/null)" = PONG ]; }

knows_all() { [ "$(ask "$1" cluster nodes | grep -vcE 'handshake|noaddr')" -eq "$count" ]; }

is_whole() {
    ask "$1" cluster info | grep -q '^cluster_state:ok' &&
        ask "$1" cluster info | grep -q "^cluster_slots_ok:$slots" &&
        ask "$1" info replication | grep -qE 'state=online|master_link_status:up'
}

until_all answers "there"

n=0
for each; do
    if [ "$n" -lt "$primaries" ] && is_new "$each"; then
        ask "$each" cluster addslotsrange $((slots * n / primaries)) $((slots * (n + 1) / primaries - 1))
    fi
    [ "$each" = "$1" ] || knows_all "$each" || ask "$1" cluster meet "${each%:*}" "${each#*:}"
    n=$((n + 1))
done
until_all knows_all "one that knows all others"

n=0
for each; do
    if [ "$n" -ge "$primaries" ] && is_new "$each"; then
        primary=$(echo "$servers" | cut -d' ' -f$((n % primaries + 1)))
        ask "$each" cluster replicate "$(ask "$primary" cluster myid)"
    fi
    n=$((n + 1))
done
until_all is_whole "in a whole cluster"
echo "a cluster of $count servers"
