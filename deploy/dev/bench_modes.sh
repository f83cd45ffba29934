# shellcheck shell=bash
# For the scenario `modes` of `bench`: systems on other kinds of stores, each with one replica.
: "${root:?}" "${state:?}" "${programs:?}"

# Those that are started; TE_DEV_MODES names fewer.
mode_names=(standby wait outbox pgbouncer cluster redlock)
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
    local name
    for name in ${TE_DEV_MODES:-${mode_names[*]}}; do
        [[ " ${mode_names[*]} " == *" $name "* ]] || die "no such mode: $name. There are: ${mode_names[*]}"
        "start_${name}_mode"
    done
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
    start_mode standby "redis://127.0.0.1:$redis_port" "127.0.0.1:$primary_port,127.0.0.1:$standby_port" \
        "$primary_port" "PostgreSQL=$standby_port"
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
    start_mode wait "redis://127.0.0.1:$redis_port" "127.0.0.1:$postgres_port" "$postgres_port" "Redis=$replica_port" \
        TE_REDIS_WAIT_REPLICAS=1
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
    TE_OUTBOX=on start_mode outbox "redis://127.0.0.1:$redis_port" "127.0.0.1:$postgres_port" "$postgres_port" ''
}

# A pooler in transaction mode, with the settings that the manual advises.
start_pgbouncer_mode() {
    local place="$state/pgbouncer" redis_port postgres_port pooler_port home user=()
    pick_port 26483 && redis_port=$REPLY
    pick_port 35536 && postgres_port=$REPLY
    pick_port 26432 && pooler_port=$REPLY
    step "starting a Redis, and a PostgreSQL behind pgbouncer"
    start_redis redis-pgbouncer "$place/redis" "$redis_port" "$redis_password" "$redis_service_password"
    start_vault postgres-pgbouncer "$place/postgres" "$postgres_port"
    postgres_home "$place/pooler"
    home=$REPLY
    (
        umask 077
        say "\"ticketengine_service\" \"$postgres_service_password\"" >"$home/users"
        sed -e "s|^ticketengine = .*|ticketengine = host=127.0.0.1 port=$postgres_port|" \
            -e "s|^listen_port = .*|listen_port = $pooler_port|" -e "s|^auth_file = .*|auth_file = $home/users|" \
            "$root/deploy/pgbouncer/pgbouncer.ini" >"$home/pgbouncer.ini"
    )
    if is_root; then
        chown "$pg_user" "$home"/{users,pgbouncer.ini}
        # It steps down by itself: that user may not be able to reach the program.
        user=(--user "$pg_user")
    fi
    start_child pgbouncer "$pgbouncer" "${user[@]}" "$home/pgbouncer.ini"
    await_child pgbouncer 60 pooler_answers "$pooler_port"
    start_mode pgbouncer "redis://127.0.0.1:$redis_port" "127.0.0.1:$pooler_port" "$postgres_port" "pgbouncer=$pooler_port" \
        TE_DATABASE_POOLER=transaction
}

pooler_answers() {
    PGPASSWORD=$postgres_service_password PGCONNECT_TIMEOUT=2 "$pg_bin/psql" --no-psqlrc --quiet --host=127.0.0.1 --port="$1" \
        --username=ticketengine_service --dbname=ticketengine --command='SELECT 1' >/dev/null 2>&1
}

# Three primaries with a third of the slots each, without replicas: what those cost is in `wait`.
start_cluster_mode() {
    local place="$state/cluster" postgres_port bus_port number hosts=()
    pick_port 35537 && postgres_port=$REPLY
    step "starting a Redis Cluster of three servers, and a PostgreSQL"
    for number in 1 2 3; do
        pick_port 36490 && bus_port=$REPLY
        pick_port 26490 && hosts+=("127.0.0.1:$REPLY")
        start_redis "redis-cluster-$number" "$place/redis-$number" "$REPLY" "$redis_password" "$redis_service_password" \
            users.replicated "cluster-enabled yes" "cluster-port $bus_port"
    done
    REDISCLI_AUTH=$redis_password redis-cli --cluster create "${hosts[@]}" --cluster-yes >"$log_dir/cluster.log" 2>&1 ||
        die "the cluster can not be made; see $log_dir/cluster.log"
    await_child redis-cluster-1 60 cluster_is_whole "${hosts[@]}"
    start_vault postgres-cluster "$place/postgres" "$postgres_port"
    start_mode cluster "redis-cluster://$(IFS=, && say "${hosts[*]}")" "127.0.0.1:$postgres_port" "$postgres_port" ''
}

# cluster_is_whole HOST:PORT...: each server knows whose every slot is.
cluster_is_whole() {
    local host info
    for host in "$@"; do
        info=$(REDISCLI_AUTH=$redis_password redis-cli -h 127.0.0.1 -p "${host#*:}" cluster info 2>/dev/null)
        [[ $info == *cluster_state:ok*cluster_slots_ok:16384* ]] || return 1
    done
}

# Five servers that know nothing of each other: a hold waits for three of them.
start_redlock_mode() {
    local place="$state/redlock" postgres_port number hosts=()
    pick_port 35538 && postgres_port=$REPLY
    step "starting five Redis for Redlock, and a PostgreSQL"
    for number in 1 2 3 4 5; do
        pick_port 26500 && hosts+=("127.0.0.1:$REPLY")
        start_redis "redis-redlock-$number" "$place/redis-$number" "$REPLY" "$redis_password" "$redis_service_password"
    done
    start_vault postgres-redlock "$place/postgres" "$postgres_port"
    start_mode redlock "redlock://$(IFS=, && say "${hosts[*]}")" "127.0.0.1:$postgres_port" "$postgres_port" ''
}

# start_vault NAME DIR PORT: a PostgreSQL with the service's database.
start_vault() {
    start_postgres "$1" "$2" "$3" "$postgres_password" max_connections=200
    create_database "$3" "$postgres_password" "$postgres_service_password" || die "PostgreSQL refused"
}

# start_mode NAME REDIS POSTGRES PRIMARY_PORT OTHERS [SETTING...]: a replica on these stores. OTHERS are more servers of them, as
# `loadtest bench` wants them.
start_mode() {
    local name=$1 redis=$2 postgres=$3 others=$5 port metrics owner kind
    owner="postgres://ticketengine:$postgres_password@127.0.0.1:$4/ticketengine"
    shift 5
    kind=${redis%%://*} redis=${redis#*://}
    pick_port 51061 && port=$REPLY
    pick_port 29564 && metrics=$REPLY
    TE_DEV_DATABASE_URL=$owner migrate
    start_child "booking-svc-$name" env TE_LISTEN="127.0.0.1:$port" TE_METRICS_LISTEN="127.0.0.1:$metrics" \
        TE_REDIS_URL="$kind://ticketengine:$redis_service_password@$redis/0" \
        TE_DATABASE_URL="postgres://ticketengine_service:$postgres_service_password@$postgres/ticketengine" "$@" \
        "$programs/booking-svc" serve
    await_child "booking-svc-$name" 60 is_serving "$port"
    modes+=("$name http://127.0.0.1:$port $kind://:$redis_password@$redis/0 $owner $others")
}

# Also what a run that was killed left behind. Who uses a store goes before it.
stop_modes() {
    local child
    for child in booking-svc-{standby,wait,outbox,pgbouncer,cluster,redlock} pgbouncer \
        redis-{standby,wait-replica,wait,outbox,pgbouncer,cluster-{1..3},redlock-{1..5}}; do
        stop_child "$child" TERM 30
    done
    for child in postgres-{primary,standby,wait,outbox,pgbouncer,cluster,redlock}; do
        stop_child "$child" INT 60
    done
}

remove_modes() {
    local place
    for place in standby/primary standby/standby pgbouncer/pooler {wait,outbox,pgbouncer,cluster,redlock}/postgres; do
        remove_postgres "$state/$place"
    done
    rm -rf "$state"/{standby,wait,outbox,pgbouncer,cluster,redlock}
}
