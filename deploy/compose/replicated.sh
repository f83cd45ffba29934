#!/bin/sh
# Becomes a Redis that Sentinel looks after. Its file is made once: Sentinel writes into it who follows whom.
set -eu
umask 077

if [ ! -e /data/redis.conf ]; then
    {
        echo 'include /etc/redis/replicated.conf'
        if [ -n "${PRIMARY:-}" ]; then echo "replicaof $PRIMARY"; fi
    } >/data/redis.conf
fi
CONFIG=/data/redis.conf exec sh /etc/redis/redis.sh
