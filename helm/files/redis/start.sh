#!/bin/sh
# Makes the users of Redis from the passwords in the environment, then becomes the server.
set -eu
umask 077

hash() {
    printf %s "$1" | sha256sum | cut -d' ' -f1
}

{
    printf 'user default on #%s ~* &* +@all\n' "$(hash "$ADMIN_PASSWORD")"
    sed -e "s/PREFIX/$KEY_PREFIX/" -e "s/PASSWORD_SHA256/$(hash "$SERVICE_PASSWORD")/" /etc/redis/users.acl.template
} >/run/redis/users.acl
unset ADMIN_PASSWORD SERVICE_PASSWORD
exec redis-server /etc/redis/redis.conf
