# shellcheck shell=bash
# `demo` and `audit`: the load generator against the running system.
: "${root:?}" "${state:?}" "${programs:?}"

cmd_demo() {
    make_state
    find_tools
    build
    if is_running; then
        wait_for 300 ready_or_ended || die "another ./dev up is starting and does not get ready; see $log_dir"
        is_ready || die "another ./dev up has just failed; see $log_dir"
    else
        trap 'demo_exit $?' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        start_detached
    fi
    # shellcheck source=/dev/null
    source "$state/env"
    local event
    event="demo-$(date +%Y%m%d-%H%M%S)-$$"
    step "loading the arena as event '$event'"
    # Short holds, so that those who walk away lose theirs during the demo.
    timeout 120 "$programs/booking-svc" event load "$root/deploy/venues/arena.json" --event-id "$event" \
        --hold-ttl 5s --open-sales || die "booking-svc event load failed"
    say
    say "page: $TE_DEV_GATEWAY/?event=$event"
    say
    as_owner "$programs/loadtest" demo --target "$TE_TARGETS" --event "$event" "$@"
}

demo_exit() {
    trap '' INT TERM HUP EXIT
    cmd_down
    exit "$1"
}

cmd_audit() {
    (($# == 1)) || die "usage: ./dev audit EVENT"
    make_state
    is_running || die "nothing is running: ./dev up"
    # shellcheck source=/dev/null
    source "$state/env"
    as_owner "$programs/loadtest" audit --event "$1"
}
