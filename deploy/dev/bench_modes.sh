# shellcheck shell=bash
# For the scenario `modes` of `bench`: systems on other kinds of stores, each with one replica.
: "${root:?}" "${state:?}" "${programs:?}"

modes=() # as `loadtest bench` wants them

# wants_modes ARGS...: whether `loadtest bench` with these runs that scenario.
wants_modes() {
    local arg named=
    for arg in "$@"; do
        [[ $arg != modes ]] || return 0
        [[ $arg == -* ]] || named=yes
    done
    [[ ! $named ]]
}

start_modes() {
    start_standby_mode
    start_wait_mode
    start_outbox_mode
    TE_BENCH_MODES=$(IFS=';' && say "${modes[*]}")
    export TE_BENCH_MODES
}

# A commit waits until a second PostgreSQL has it, too.
start_standby_mode() {
    local place="$state/standby" redis_port primary_port standby_port standby
    pick_port 26479 && redis_port=$REPLY
    pick_port 35532 && primary_port=$REPLY
    pick_port 35533 && standby_port=$REPLY
    step "starting PostgreSQL with a standby, and a Redis"
    start_redis redis-standby "$place/redis" "$redis_port" "$redis_password" "$redis_service_password"
    start_vault postgres-primary "$place/primary" "$primary_port"
    postgres_home "$place/standby"
    standby=$REPLY
    PGPASSWORD=$postgres_password as_pg_user "$pg_bin/pg_basebackup" --pgdata="$standby/data" --write-recovery-conf \
        --checkpoint=fast --dbname="host=127.0.0.1 port=$primary_port user=postgres application_name=standby" ||
        die "pg_basebackup failed"
    start_postgres postgres-standby "$place/standby" "$standby_port" "$postgres_password" max_connections=200
    PGPASSWORD=$postgres_password "$pg_bin/psql" --no-psqlrc --quiet --host=127.0.0.1 --port="$primary_port" --username=postgres \
        --dbname=postgres --command="ALTER SYSTEM SET synchronous_standby_names = 'standby'" \
        --command='SELECT pg_reload_conf()' >/dev/null || die "the standby can not be waited for"
    start_mode standby "$redis_port" "127.0.0.1:$primary_port,127.0.0.1:$standby_port" "127.0.0.1:$primary_port"
}

# A hold waits until a second Redis has it, too.
start_wait_mode() {
    local place="$state/wait" redis_port replica_port postgres_port
    pick_port 26480 && redis_port=$REPLY
    pick_port 26481 && replica_port=$REPLY
    pick_port 35534 && postgres_port=$REPLY
    step "starting a Redis with a replica, and a PostgreSQL"
    start_redis redis-wait "$place/redis" "$redis_port" "$redis_password" "$redis_service_password" users.replicated
    start_redis redis-wait-replica "$place/replica" "$replica_port" "$redis_password" "$redis_service_password" users.replicated
    ask_redis "$replica_port" CONFIG SET masterauth "$redis_password"
    ask_redis "$replica_port" REPLICAOF 127.0.0.1 "$redis_port"
    await_child redis-wait-replica 60 redis_follows "$replica_port"
    start_vault postgres-wait "$place/postgres" "$postgres_port"
    start_mode wait "$redis_port" "127.0.0.1:$postgres_port" "127.0.0.1:$postgres_port" TE_REDIS_WAIT_REPLICAS=1
}

ask_redis() {
    local port=$1
    shift
    REDISCLI_AUTH=$redis_password redis-cli -h 127.0.0.1 -p "$port" "$@" >/dev/null || die "redis refused $1"
}

redis_follows() {
    REDISCLI_AUTH=$redis_password redis-cli -h 127.0.0.1 -p "$1" info replication 2>/dev/null | grep -q '^master_link_status:up'
}

# Each booking also writes a row for Kafka, which nobody takes away here.
start_outbox_mode() {
    local place="$state/outbox" redis_port postgres_port
    pick_port 26482 && redis_port=$REPLY
    pick_port 35535 && postgres_port=$REPLY
    step "starting a Redis and a PostgreSQL with an outbox"
    start_redis redis-outbox "$place/redis" "$redis_port" "$redis_password" "$redis_service_password"
    start_vault postgres-outbox "$place/postgres" "$postgres_port"
    TE_OUTBOX=on start_mode outbox "$redis_port" "127.0.0.1:$postgres_port" "127.0.0.1:$postgres_port"
}

# start_vault NAME DIR PORT: a PostgreSQL with the service's database.
start_vault() {
    start_postgres "$1" "$2" "$3" "$postgres_password" max_connections=200
    create_database "$3" "$postgres_password" "$postgres_service_password" || die "PostgreSQL refused"
}

# start_mode NAME REDIS_PORT POSTGRES_HOSTS PRIMARY [SETTING...]: a replica on these stores.
start_mode() {
    local name=$1 redis_port=$2 hosts=$3 primary=$4 port metrics owner
    shift 4
    pick_port 51061 && port=$REPLY
    pick_port 29564 && metrics=$REPLY
    owner="postgres://ticketengine:$postgres_password@$primary/ticketengine"
    TE_DEV_DATABASE_URL=$owner migrate
    start_child "booking-svc-$name" env TE_LISTEN="127.0.0.1:$port" TE_METRICS_LISTEN="127.0.0.1:$metrics" \
        TE_REDIS_URL="redis://ticketengine:$redis_service_password@127.0.0.1:$redis_port/0" \
        TE_DATABASE_URL="postgres://ticketengine_service:$postgres_service_password@$hosts/ticketengine" "$@" \
        "$programs/booking-svc" serve
    await_child "booking-svc-$name" 60 is_serving "$port"
    modes+=("$name http://127.0.0.1:$port redis://:$redis_password@127.0.0.1:$redis_port/0 $owner")
}

# Also what a run that was killed left behind. Who uses a store goes before it.
stop_modes() {
    local child
    for child in booking-svc-{standby,wait,outbox} redis-{standby,wait-replica,wait,outbox}; do
        stop_child "$child" TERM 30
    done
    for child in postgres-{primary,standby,wait,outbox}; do
        stop_child "$child" INT 60
    done
}

remove_modes() {
    local place
    for place in standby/primary standby/standby wait/postgres outbox/postgres; do
        remove_postgres "$state/$place"
    done
    rm -rf "$state"/{standby,wait,outbox}
}
