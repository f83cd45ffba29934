#!/bin/sh
# Makes the users from the passwords in the environment, then becomes Redis.
set -eu
umask 077

hash() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

{
    printf 'user default on #%s ~* &* +@all\n' "$(hash "$ADMIN_PASSWORD")"
    sed -e 's/PREFIX/te/' -e "s/PASSWORD_SHA256/$(hash "$SERVICE_PASSWORD")/" /etc/redis/users.acl.template
} >/tmp/users.acl
# How a replica logs in at its primary.
printf 'masterauth %s\n' "$ADMIN_PASSWORD" >/tmp/login.conf
exec redis-server "${CONFIG:-/etc/redis/redis.conf}"
