#!/bin/sh
# Becomes a Sentinel. Its file is made once: it writes into it what it learns.
set -eu
umask 077

if [ ! -e /data/sentinel.conf ]; then
    cat >/data/sentinel.conf <<CONF
port 26379
dir /data
sentinel monitor ticketengine $PRIMARY 2
sentinel auth-pass ticketengine $ADMIN_PASSWORD
sentinel down-after-milliseconds ticketengine 5000
sentinel failover-timeout ticketengine 30000
CONF
fi
exec redis-server /data/sentinel.conf --sentinel
