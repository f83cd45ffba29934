# shellcheck shell=bash
# `test-compose`: deploy/compose.yaml without an engine. It is read by the reference implementation of its format, held
# against the files beside it, and what it gives to Redis, PostgreSQL and booking-svc is run as processes.
: "${root:?}" "${state:?}" "${programs:?}"

# Name, module, version, package. Its program has no better name.
compose_go_tool="cmd github.com/compose-spec/compose-go/v2 v2.16.2 ./cmd"

cmd_test_compose() {
    (($# == 0)) || die "test-compose takes no arguments"
    make_state
    # What the shell has of a running system is not for this one: compose.yaml would take it.
    unset TE_REDIS_URL TE_REDIS_WAIT_REPLICAS TE_QUARANTINE TE_OUTBOX TE_KAFKA_BROKERS TE_KAFKA_SEATS_TOPIC
    if ! find_go; then
        say "SKIPPED: what reads compose.yaml is built with Go, and there is none here, or an old one (https://go.dev/dl)"
        return
    fi
    exec 9>>"$state/compose.lock"
    flock -n 9 || die "another ./dev test-compose is running here"
    install_go_tools "$compose_go_tool"
    compose_go="$state/tools/bin/cmd"
    find_tools
    find_node
    find_prometheus
    build
    own_place compose
    read_compose
    try_compose
}

compose_go= # the program
model=      # compose.yaml as it was read

read_compose() {
    model="$state/model.json"
    step "reading compose.yaml"
    # Relative paths begin beside the file.
    (cd "$root/deploy" && exec "$compose_go" --format json compose.yaml) >"$model" 2>"$log_dir/compose.log" ||
        failed_reading compose "compose.yaml is not valid"
    # Warnings have no exit code.
    [[ ! -s $log_dir/compose.log ]] || failed_reading compose "compose.yaml is warned of"
    node "$root/deploy/compose/check.mjs" "$model" "$root" || die "compose.yaml does not fit the files beside it"
    node "$root/deploy/compose/edits.mjs" "$compose_go" "$root" || die "the check misses mistakes"
    "$promtool" check config --syntax-only "$root/deploy/compose/prometheus.yml" >"$log_dir/promtool.log" 2>&1 ||
        failed_reading promtool "prometheus.yml is not valid"
}

# failed_reading LOG WHAT
failed_reading() {
    show_log "$1"
    die "$2"
}

# setting SERVICE VARIABLE: what the service has in its environment.
setting() {
    node -p 'JSON.parse(fs.readFileSync(process.argv[1])).services[process.argv[2]].environment[process.argv[3]]' \
        "$model" "$1" "$2"
}

# As in the containers, with other addresses: users, roles and rights are what compose.yaml makes them.
try_compose() {
    local redis_port postgres_port password name
    pick_port 26379 && redis_port=$REPLY
    pick_port 25432 && postgres_port=$REPLY
    password=$(setting postgres POSTGRES_PASSWORD)
    step "starting Redis and PostgreSQL"
    write_processes redis="$redis_port"
    start_compose redis
    await_child redis 60 is_healthy redis
    start_postgres postgres "$state/postgres" "$postgres_port" "$password"
    PGHOST=127.0.0.1 PGPORT=$postgres_port PGPASSWORD=$password PATH="$pg_bin:$PATH" \
        OWNER_PASSWORD=$(setting postgres OWNER_PASSWORD) SERVICE_PASSWORD=$(setting postgres SERVICE_PASSWORD) \
        sh "$root/deploy/compose/postgres-roles.sh" || die "the roles could not be made"

    step "migrations, the sample, a replica"
    for name in TE_REDIS_URL TE_TOKEN_SECRET TE_JWT_SECRET TE_JWT_ISSUER TE_JWT_AUDIENCE TE_QUARANTINE; do
        export "$name=$(setting booking-svc-1 "$name")"
    done
    TE_REDIS_URL=${TE_REDIS_URL/redis:6379/127.0.0.1:$redis_port}
    run_compose migrate migrate "$postgres_port" migrate --service-role ticketengine_service
    run_compose sample sample "$postgres_port" event load "$root/deploy/venues/theatre.json" --event-id theatre --open-sales
    # A second `up` runs them again.
    run_compose migrate migrate "$postgres_port" migrate --service-role ticketengine_service
    run_compose sample sample "$postgres_port" event load "$root/deploy/venues/theatre.json" --event-id theatre --open-sales
    pick_port 51051
    export TE_LISTEN=127.0.0.1:$REPLY
    start_compose_replica "$postgres_port"
    stop_child booking-svc TERM 30
    try_profiles "$postgres_port"
}

# start_compose_replica PORT
start_compose_replica() {
    TE_DATABASE_URL=$(database_url booking-svc-1 "$1") start_child booking-svc "$programs/booking-svc" serve
    await_child booking-svc 30 "$programs/booking-svc" healthcheck >"$log_dir/health.log" 2>&1
    ! grep -q WARN "$log_dir/booking-svc.log" || {
        show_log booking-svc
        die "it warns of something"
    }
}

# database_url SERVICE PORT
database_url() {
    local url
    url=$(setting "$1" TE_DATABASE_URL)
    say "${url/postgres:5432/127.0.0.1:$2}"
}

# run_compose LOG SERVICE PORT ARGS...
run_compose() {
    local log=$1 service=$2 port=$3
    shift 3
    TE_DATABASE_URL=$(database_url "$service" "$port") run_booking_svc "$log" "$@" || {
        show_log "$log"
        die "$service has failed"
    }
}

stop_compose() {
    stop_child booking-svc TERM 30
    stop_profiles
    stop_stores
    remove_postgres "$state/postgres"
    rm -rf "$state/redis"
}

compose_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then warn "logs are in $log_dir"; fi
    stop_compose
    exit "$1"
}
