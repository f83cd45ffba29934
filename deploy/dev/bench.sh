# shellcheck shell=bash
# `bench`: the load tests, against a system of their own.
: "${root:?}" "${state:?}" "${programs:?}"

cmd_bench() {
    bench_began=0
    make_state
    exec 9>>"$state/bench.lock"
    flock -n 9 || die "another ./dev bench is running here"
    find_tools
    have redis-benchmark || apt_install redis-tools
    ! wants_modes "$@" || find_pgbouncer
    build
    replicas=(booking-svc-a booking-svc-b)
    own_place bench
    # Ten thousand sockets are as many files, on both sides.
    ulimit -n "$(ulimit -Hn)" 2>/dev/null || warn "the limit of open files stays at $(ulimit -n)"
    start_bench
    ! wants_modes "$@" || start_modes
    # It takes events away and copies keys: not the service's rights.
    (cd "$root" && exec env PATH="$pg_bin:$PATH" TE_BENCH_OUT="$state/$(date +%Y%m%d-%H%M%S)" \
        TE_REDIS_URL="$TE_DEV_REDIS_URL" TE_DATABASE_URL="$TE_DEV_DATABASE_URL" \
        setsid "$programs/loadtest" bench "$@" 9>&-) &
    remember_pid loadtest $!
    bench_began=1
    wait $!
}

# As `start_services`, but without a sample event, and with two replicas that differ in one setting: B has no level 0.
start_bench() {
    local redis_port postgres_port gateway_port a b metrics_a metrics_b
    load_secrets
    pick_port 26379 && redis_port=$REPLY
    pick_port 35432 && postgres_port=$REPLY
    pick_port 51051 && a=$REPLY
    pick_port 51052 && b=$REPLY
    pick_port 29464 && metrics_a=$REPLY
    pick_port 29465 && metrics_b=$REPLY
    pick_port 28080 && gateway_port=$REPLY
    start_stores "$redis_port" "$postgres_port"
    # The gateway watches through A alone. Unlike `up`, with the quarantine that is the default.
    TE_QUARANTINE=on
    write_env "$redis_port" "$postgres_port" "$a" "$metrics_a $metrics_b" "$gateway_port"
    # shellcheck source=/dev/null
    source "$state/env"
    export TE_BENCH_TARGET_A="http://127.0.0.1:$a" TE_BENCH_TARGET_B="http://127.0.0.1:$b"
    migrate
    step "starting booking-svc twice, once without level 0, and ws-gateway"
    start_child booking-svc-a env TE_LISTEN="127.0.0.1:$a" TE_METRICS_LISTEN="127.0.0.1:$metrics_a" \
        "$programs/booking-svc" serve
    start_child booking-svc-b env TE_LISTEN="127.0.0.1:$b" TE_METRICS_LISTEN="127.0.0.1:$metrics_b" \
        TE_BOARD_REFUSALS=off "$programs/booking-svc" serve
    await_child booking-svc-a 60 is_serving "$a"
    await_child booking-svc-b 60 is_serving "$b"
    start_gateway
}

stop_bench() {
    if live_pid loadtest; then kill -s TERM -- "-$REPLY" 2>/dev/null || true; fi
    stop_child loadtest TERM 10
    stop_modes
    stop_everything
    remove_modes
    remove_postgres "$state/postgres"
    rm -rf "$state/redis" "$state/secrets"
}

bench_exit() {
    trap '' INT TERM HUP EXIT
    local code=$1
    # 1 is for an audit that found something.
    ((code != 1 || bench_began)) || code=2
    if ((code > 1 && code < 128)); then
        show_log booking-svc-a
        show_log booking-svc-b
        warn "logs are in $log_dir"
    fi
    stop_bench
    exit "$code"
}
