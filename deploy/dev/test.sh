# shellcheck shell=bash
# `test`: a fresh PostgreSQL that is thrown away afterwards; each test starts the Redis that it needs.
: "${root:?}" "${state:?}"

cmd_test() {
    make_state
    exec 9>>"$state/test.lock"
    flock -n 9 || die "another ./dev test is running here"
    run_dir="$state/test/run"
    log_dir="$state/test/log"
    mkdir -p "$run_dir" "$log_dir"
    find_tools
    find_pgbouncer
    find_kafka_compilers
    trap 'test_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stop_tests # what a run that was killed left behind
    start_test_stores
    # Those with Kafka are test-kafka's: not everybody has Java.
    (($# > 0)) || set -- --workspace --all-features -- --skip kafka::
    step "cargo test $*"
    # In the background, because bash would handle a TERM only after a foreground command.
    (cd "$root" && exec setsid cargo test --locked "$@" 9>&-) &
    remember_pid cargo $!
    wait $!
}

start_test_stores() {
    local port password
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    pick_port 25432 && port=$REPLY
    step "starting PostgreSQL for the tests"
    start_postgres postgres "$state/test/postgres" "$port" "$password" max_connections=300 shared_buffers=64MB \
        max_wal_size=256MB
    export TE_TEST_DATABASE_URL="postgres://postgres:$password@127.0.0.1:$port/postgres"
    export TE_TEST_REDIS_SERVER=$redis_server
    export TE_TEST_PG_BIN=$pg_bin
    export TE_TEST_PGBOUNCER=$pgbouncer
    ! is_root || export TE_TEST_PG_USER=$pg_user
}

# The whole group: cargo does not stop the test programs that it started.
stop_tests() {
    if live_pid cargo; then kill -s TERM -- "-$REPLY" 2>/dev/null || true; fi
    stop_child cargo TERM 10
    stop_stores
    remove_test_data
}

remove_test_data() { remove_postgres "$state/test/postgres"; }

# remove_postgres DIR: with what is elsewhere because its user cannot reach DIR.
remove_postgres() {
    if [[ -s $1/moved-to ]]; then rm -rf "$(<"$1/moved-to")"; fi
    rm -rf "$1"
}

test_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then show_log postgres; fi
    stop_tests
    exit "$1"
}
