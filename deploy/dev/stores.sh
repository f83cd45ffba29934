# shellcheck shell=bash
# A private Redis and a private PostgreSQL, on 127.0.0.1 only, each with a password for those who may do everything and
# one for the service.
: "${root:?}"

# start_redis NAME DIR PORT PASSWORD SERVICE_PASSWORD [USERS [LINE...]]: with the users of that template in deploy/redis, and
# more lines of its settings.
start_redis() {
    local name=$1
    shift
    mkdir -p "$1"
    chmod 700 "$1"
    (
        umask 077
        cat >"$1/redis.conf" <<CONF
bind 127.0.0.1
port $2
requirepass $3
dir "$1"
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
CONF
        redis_user te "$4" "${5:-users}" >>"$1/redis.conf"
        (($# < 6)) || printf '%s\n' "${@:6}" >>"$1/redis.conf"
    )
    start_child "$name" "$redis_server" "$1/redis.conf"
    await_child "$name" 60 redis_answers "$2" "$3"
}

# redis_user PREFIX PASSWORD USERS: the line that makes the service's user.
redis_user() {
    local hash
    hash=$(printf %s "$2" | sha256sum)
    sed -e "s/PREFIX/$1/" -e "s/PASSWORD_SHA256/${hash%% *}/" "$root/deploy/redis/$3.acl.template"
}

redis_answers() {
    [[ $(REDISCLI_AUTH=$2 timeout 2 redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null) == PONG ]]
}

pg_user= # who runs PostgreSQL

# PostgreSQL refuses to run as root: then the user that its package made runs it.
set_pg_user() {
    pg_user=$(id -un)
    if is_root; then
        pg_user=postgres
        id "$pg_user" >/dev/null 2>&1 || pg_user=nobody
    fi
}

as_pg_user() {
    if is_root; then
        (cd / && setpriv --reuid="$pg_user" --regid="$(id -g "$pg_user")" --init-groups -- "$@")
    else
        "$@"
    fi
}

# postgres_home DIR: sets REPLY to DIR or, where its user cannot reach that, to a place that is remembered there.
postgres_home() {
    mkdir -p "$1"
    REPLY=$1
    is_root || return 0
    if [[ -s $1/moved-to ]]; then
        REPLY=$(<"$1/moved-to")
        [[ -d $REPLY ]] || die "$REPLY is gone. Remove $1 to start afresh"
        return
    fi
    chown "$pg_user" "$1"
    as_pg_user test -w "$1" && return
    REPLY=$(mktemp -d /var/lib/ticketengine-dev-XXXXXX)
    chown "$pg_user" "$REPLY"
    say "$REPLY" >"$1/moved-to"
    say "PostgreSQL's user $pg_user cannot reach $1: its data is in $REPLY"
}

# init_postgres HOME PASSWORD: makes the data directory, once. A half-made one is never used.
init_postgres() {
    local data="$1/data" fresh="$1/data.new" bin
    if [[ -s $data/PG_VERSION ]]; then
        bin="/usr/lib/postgresql/$(<"$data/PG_VERSION")/bin"
        [[ ! -x $bin/postgres ]] || pg_bin=$bin
        return
    fi
    rm -rf "$fresh"
    (
        umask 077
        say "$2" >"$1/password"
    )
    ! is_root || chown "$pg_user" "$1/password"
    as_pg_user "$pg_bin/initdb" --pgdata="$fresh" --username=postgres --pwfile="$1/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C >"$log_dir/initdb.log" 2>&1 || {
        show_log initdb
        die "PostgreSQL's initdb failed"
    }
    rm -f "$1/password"
    mv "$fresh" "$data"
}

# start_postgres NAME DIR PORT PASSWORD [OPTION=VALUE...]
start_postgres() {
    local name=$1 port=$3 password=$4 home option options=()
    set_pg_user
    postgres_home "$2"
    home=$REPLY
    init_postgres "$home" "$password"
    shift 4
    for option in port="$port" listen_addresses=127.0.0.1 unix_socket_directories= logging_collector=off "$@"; do
        options+=(-c "$option")
    done
    local server=("$pg_bin/postgres" -D "$home/data" "${options[@]}")
    if is_root; then
        server=(setpriv --reuid="$pg_user" --regid="$(id -g "$pg_user")" --init-groups -- "${server[@]}")
    fi
    start_child "$name" "${server[@]}"
    await_child "$name" 120 postgres_ready "$name" "$home/data/postmaster.pid"
}

# postgres_ready NAME FILE: our own child says so; somebody else's server on the same port would answer a connection too.
postgres_ready() {
    local lines
    live_pid "$1" || return 1
    mapfile -t lines < <(as_pg_user cat "$2" 2>/dev/null)
    [[ ${lines[0]:-} == "$REPLY" && (${lines[7]:-} == ready* || ${lines[7]:-} == standby*) ]]
}

# create_database PORT SUPERUSER_PASSWORD SERVICE_PASSWORD: the database, its owner, and the role of booking-svc, once.
create_database() {
    PGPASSWORD=$2 SERVICE_PASSWORD=$3 PGCONNECT_TIMEOUT=10 timeout 60 "$pg_bin/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
        --host=127.0.0.1 --port="$1" --username=postgres --dbname=postgres >>"$log_dir/initdb.log" 2>&1 <<'SQL'
\set password `printf %s "$PGPASSWORD"`
SELECT format('CREATE ROLE ticketengine LOGIN PASSWORD %L', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ticketengine') \gexec
\set password `printf %s "$SERVICE_PASSWORD"`
SELECT format('CREATE ROLE ticketengine_service LOGIN PASSWORD %L', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ticketengine_service') \gexec
SELECT 'CREATE DATABASE ticketengine OWNER ticketengine'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ticketengine') \gexec
SQL
}

# A fast shutdown is SIGINT to PostgreSQL.
stop_stores() {
    stop_child redis TERM 30
    stop_child postgres INT 60
}

# Both, with the database, at these ports.
start_stores() {
    step "starting Redis and PostgreSQL"
    start_redis redis "$state/redis" "$1" "$redis_password" "$redis_service_password"
    start_postgres postgres "$state/postgres" "$2" "$postgres_password" max_connections=200
    create_database "$2" "$postgres_password" "$postgres_service_password" || {
        show_log initdb
        die "PostgreSQL refused. Have the secrets in $state/secrets changed? Remove $state to start afresh"
    }
}
