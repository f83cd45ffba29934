# shellcheck shell=bash
# `chaos` and `teeth`: a system that is broken on purpose, and a checker that is on trial itself.
: "${root:?}" "${state:?}" "${target:?}" "${programs:?}"

cmd_chaos() {
    local features=()
    make_state
    have cc || apt_install gcc libc6-dev
    if [[ " $* " == *' --mode kafka '* || " $* " == *' --mode=kafka '* ]]; then
        find_kafka_compilers
        find_kafka
        export TE_TEST_KAFKA=$kafka_jars
        features=(--features 'booking-svc/kafka,chaos/kafka')
    fi
    chaos_place
    build -p booking-svc -p ws-gateway -p chaos "${features[@]}"
    run_chaos "$programs" run "$@"
}

# The programs of test builds, from which guards can be taken out.
cmd_teeth() {
    find_kafka_compilers
    chaos_place
    step "building for tests"
    (cd "$root" && cargo build --locked --workspace --all-features --bins 9>&-) || die "the build failed"
    run_chaos "$target/debug" teeth "$@"
}

chaos_place() {
    make_state
    exec 9>>"$state/chaos.lock"
    flock -n 9 || die "another ./dev chaos is running here"
    find_tools
    own_place chaos
    # Not below .dev: PostgreSQL runs as another user, who may not get there.
    chaos_tmp=$(mktemp -d "${TMPDIR:-/tmp}/ticketengine-chaos-XXXXXX")
    chmod 755 "$chaos_tmp"
    say "$chaos_tmp" >"$run_dir/tmp"
}

# run_chaos PROGRAMS COMMAND [ARGS...]
run_chaos() {
    local programs=$1
    shift
    set_pg_user
    ! is_root || export TE_TEST_PG_USER=$pg_user
    export TE_TEST_REDIS_SERVER=$redis_server TE_TEST_PG_BIN=$pg_bin TMPDIR=$chaos_tmp
    export TE_CHAOS_BOOKING_SVC=$programs/booking-svc TE_CHAOS_WS_GATEWAY=$programs/ws-gateway
    TE_CHAOS_OUT=$state/$(date +%Y%m%d-%H%M%S)
    export TE_CHAOS_OUT
    ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
    (cd "$root" && exec setsid "$programs/chaos" "$@" 9>&-) &
    remember_pid chaos $!
    wait $!
}

# Asked first: then it ends whom it has started. The whole group: stores and programs are children of the harness.
stop_chaos() {
    local group='' mounted place=/none
    if live_pid chaos; then group=$REPLY; fi
    stop_child chaos TERM 20
    [[ -z $group ]] || kill -s KILL -- "-$group" 2>/dev/null || true
    [[ ! -s $run_dir/tmp ]] || place=$(<"$run_dir/tmp")
    while read -r _ mounted _; do
        [[ $mounted != "$place"/* ]] || umount -l "$mounted" || true
    done </proc/mounts
    [[ $place != */ticketengine-chaos-* ]] || rm -rf "$place"
    rm -f "$run_dir/tmp"
}

chaos_exit() {
    trap '' INT TERM HUP EXIT
    stop_chaos
    exit "$1"
}
