# shellcheck shell=bash
# `test-loadtools`: each script of loadtest/k6 and loadtest/ghz for some seconds, against a system of its own.
: "${root:?}" "${state:?}" "${programs:?}"

# How long the sale goes on, and its watchers around it, in seconds; customers a second.
sale_s=4
sale_rate=150
watch_s=10
watchers=50
# Calls of ghz.
reserves=1000
confirms=200
# This machine is shared with everything else: the scripts' own bounds are for quiet ones.
p95_ms=1000

cmd_test_loadtools() {
    (($# == 0)) || die "test-loadtools takes no arguments"
    make_state
    if ! find_go; then
        say "SKIPPED: k6 and ghz are built with Go, and there is none here, or an old one (https://go.dev/dl)"
        return
    fi
    exec 9>>"$state/loadtools.lock"
    flock -n 9 || die "another ./dev test-loadtools is running here"
    find_tools
    find_node
    install_go_tools
    build
    PATH="$state/tools/bin:$PATH"
    own_place loadtools
    start_services
    start_gateway
    try_loadtools
}

try_loadtools() {
    local k6="$root/loadtest/k6" ghz="$root/loadtest/ghz" check="$root/loadtest/check.mjs"
    local out="$state/out" address watching
    rm -rf "$out"
    mkdir -p "$out"
    address=${TE_TARGETS%%,*}
    address=${address#http://}
    export TE_EVENT=loadtools TE_TOKEN
    timeout 120 "$programs/booking-svc" event load "$root/deploy/venues/arena.json" --event-id "$TE_EVENT" \
        --open-sales >/dev/null || die "booking-svc event load failed"
    TE_TOKEN=$("$programs/booking-svc" token mint --role service --sub loadtools) || die "no token"

    step "k6: a flash sale, and $watchers watchers"
    start_child k6-watchers timeout 60 env TE_SOCKETS="$watchers" TE_SECONDS="$watch_s" TE_CHANGES_MIN="$watchers" \
        k6 run --no-color --summary-export "$out/watchers.json" "$k6/watchers.js"
    watching=$!
    sleep 2 9>&-
    run_tool k6-flash-sale env TE_RATE="$sale_rate" TE_SECONDS="$sale_s" TE_P95_MS="$p95_ms" \
        k6 run --no-color --summary-export "$out/flash-sale.json" "$k6/flash_sale.js"
    wait "$watching" || failed_tool k6-watchers $?
    node "$check" k6 "$out/flash-sale.json" te_reserved te_refused te_booked te_released
    node "$check" k6 "$out/watchers.json" te_hellos te_snapshots te_changes te_seats_changed

    step "ghz: Reserve"
    run_tool ghz-reserve ghz --config "$ghz/reserve.yaml" --total "$reserves" -O json -o "$out/reserve.json" "$address"
    node "$check" ghz "$out/reserve.json" "$reserves" OK FailedPrecondition

    step "ghz: Confirm"
    run_tool k6-holds env TE_HOLDS="$confirms" TE_OUT="$out/holds.json" k6 run --no-color "$k6/holds.js"
    run_tool ghz-confirm ghz --config "$ghz/confirm.yaml" --total "$confirms" --data-file "$out/holds.json" \
        -O json -o "$out/confirm.json" "$address"
    node "$check" ghz "$out/confirm.json" "$confirms" OK

    as_owner "$programs/loadtest" audit --event "$TE_EVENT" || die "the audit found something"
}

# run_tool NAME COMMAND...: in the background, because bash would handle a TERM only after a foreground command.
run_tool() {
    local name=$1
    shift
    start_child "$name" timeout 120 "$@"
    wait $! || failed_tool "$name" $?
}

# failed_tool NAME STATUS: k6 ends with 99 when a threshold does not hold.
failed_tool() {
    tail -n 60 "$log_dir/$1.log" | sed 's/^/    /' >&2
    die "$1 failed with status $2"
}

stop_loadtools() {
    local name
    for name in k6-watchers k6-flash-sale k6-holds ghz-reserve ghz-confirm; do stop_child "$name" TERM 5; done
    stop_everything
    remove_postgres "$state/postgres"
    rm -rf "$state/redis" "$state/secrets"
}

loadtools_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then
        show_log booking-svc-1
        warn "logs are in $log_dir"
    fi
    stop_loadtools
    exit "$1"
}
