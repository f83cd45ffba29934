# shellcheck shell=bash
# What `test-nginx` does to gateways and replicas.
: "${root:?}" "${state:?}"

# Longer than nginx leaves a replica out.
forgiven_s=5

# It sends its sockets away for TE_DRAIN, and refuses new ones: those are for the other one.
a_gateway_is_restarted() {
    local host=10 pages=0
    step "a gateway is restarted"
    signal_child "${gateways[0]}" TERM
    while live_pid "${gateways[0]}"; do
        open_socket "socket-$host" 101 --interface "127.0.0.$host"
        load_page
        ((++host, ++pages))
    done
    for _ in {1..10}; do load_page && ((++pages)); done
    ((host > 13)) || die "the gateway ended before anybody came"
    restart_gateway 0
    say "    meanwhile $pages pages, $((host - 10)) sockets"
}

load_page() {
    curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://$nginx_page/?event=$TE_EVENT" ||
        die "a page was not served"
}

# under_load FIRST_SEAT REPEATS COMMAND...: while seats are sold, none of whose calls may need more repeats.
under_load() {
    local selling seat=$1 repeats=$2
    shift 2
    start_check check sell "$seat" "$repeats"
    selling=$!
    sleep 1 9>&-
    "$@"
    sleep 1 9>&-
    signal_child check TERM
    wait "$selling" || failed_check check
    cat "$log_dir/check.log"
}

# replicas_fail INDEX
replicas_fail() {
    step "a replica is killed, and started again"
    under_load 2000 1 kill_replica "$1"
    step "a replica hangs for a while"
    under_load 6000 1 freeze_replica "$1"
}

kill_replica() {
    signal_child "${replicas[$1]}" KILL
    # So that bash does not report it.
    wait "$REPLY" 2>/dev/null || true
    sleep 3 9>&-
    restart_replica "$1"
    gets_calls "$1"
}

# gets_calls INDEX: again, as soon as nginx has tried it.
gets_calls() {
    local before
    sleep "$forgiven_s" 9>&-
    live_pid check || failed_check check
    before=$(reserves_of "$1")
    sleep 1 9>&-
    (($(reserves_of "$1") > before)) || die "${replicas[$1]} gets no calls"
}

freeze_replica() {
    signal_child "${replicas[$1]}" STOP
    # For longer than a call and its repeat may take.
    sleep 11 9>&-
    signal_child "${replicas[$1]}" CONT
    gets_calls "$1"
}

# replicas_are_restarted INDEX...: nobody notices.
replicas_are_restarted() {
    step "replicas are restarted"
    under_load 10000 0 restart_replicas "$@"
}

restart_replicas() {
    local index
    for index in "$@"; do
        stop_child "${replicas[index]}" TERM 25
        restart_replica "$index"
        gets_calls "$index"
    done
}
