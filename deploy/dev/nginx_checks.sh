# shellcheck shell=bash
# What `test-nginx` looks at.
: "${root:?}" "${state:?}" "${programs:?}"

# How long a stream has to live, in seconds: longer than any of nginx's own timeouts.
stream_length=125
# Calls over one connection: more than nginx lets one have by itself.
burst_calls=1500
# The most that one call can name.
wide_seats=50

try_nginx() {
    local watched watching
    load_hall
    step "a stream for $stream_length s, meanwhile:"
    start_check check-watch watch 17500 "$stream_length"
    watching=$!
    wait_for 10 find_watched || die "no replica has a watcher"
    watched=$REPLY

    calls_spread
    step "an error that names $wide_seats seats"
    run_check refusal 17000 "$wide_seats"
    a_sale
    sockets_reach_both_gateways
    a_gateway_is_restarted
    replicas_fail $(((watched + 1) % 3))
    replicas_are_restarted $(((watched + 1) % 3)) $(((watched + 2) % 3))

    step "the stream"
    wait "$watching" || failed_check check-watch
    cat "$log_dir/check-watch.log"
    as_owner "$programs/loadtest" audit --event "$TE_EVENT" || die "the audit found something"
}

# An arena in which one call may name as many seats as the service lets it.
load_hall() {
    export TE_EVENT=nginx TE_TOKEN
    sed "s/\"seats_per_customer\": [0-9]*/\"seats_per_customer\": $wide_seats/" "$root/deploy/venues/arena.json" \
        >"$state/hall.json"
    load_event "$TE_EVENT"
    TE_TOKEN=$("$programs/booking-svc" token mint --role service --sub nginx) || die "no token"
}

# load_event EVENT [OPTIONS...]
load_event() {
    run_booking_svc "event-$1" event load "$state/hall.json" --open-sales --event-id "$@" || {
        show_log "event-$1"
        die "the event could not be loaded"
    }
}

# start_check NAME COMMAND FIRST_SEAT NUMBER
start_check() {
    start_child "$1" timeout 300 node "$root/deploy/nginx/test/check.mjs" "$2" "http://$nginx_grpc" "$TE_EVENT" "$3" "$4"
}

# run_check COMMAND FIRST_SEAT NUMBER
run_check() {
    start_check check "$@"
    wait $! || failed_check check
    cat "$log_dir/check.log"
}

failed_check() {
    show_log "$1"
    die "$1 has failed"
}

# value_of INDEX SERIES: the sum of a replica's series that match; 0 where there are none.
value_of() {
    curl --silent --fail --noproxy '*' --max-time 5 "http://${metrics[$1]}/metrics" |
        awk -v series="$2" '$0 ~ "^" series { sum += $NF } END { printf "%d\n", sum }'
}

reserves_of() { value_of "$1" 'rpc_server_call_duration_seconds_count[{].*/Reserve"'; }

find_watched() {
    for REPLY in "${!replicas[@]}"; do (($(value_of "$REPLY" ticketengine_watchers) == 0)) || return 0; done
    return 1
}

# Each replica gets a third, give or take what other calls do to the turn.
calls_spread() {
    local index before=() got
    step "$burst_calls calls"
    for index in "${!replicas[@]}"; do before[index]=$(reserves_of "$index"); done
    run_check burst 0 "$burst_calls"
    for index in "${!replicas[@]}"; do
        got=$(($(reserves_of "$index") - before[index]))
        say "    ${replicas[index]}: $got"
        ((got > burst_calls * 3 / 10 && got < burst_calls * 4 / 10)) || die "the calls are not spread"
    done
}

# By tonic, and with everything that customers do; it ends with an audit.
a_sale() {
    step "a sale"
    load_event sale --hold-ttl 5s
    start_child check env TE_REDIS_URL="$TE_DEV_REDIS_URL" TE_DATABASE_URL="$TE_DEV_DATABASE_URL" \
        "$programs/loadtest" demo --target "http://$nginx_grpc" --event sale --customers 500 --seconds 6
    wait $! || failed_check check
    grep -E '^\| (errors|calls whose outcome stayed open|Reserve: attempts) ' "$log_dir/check.log"
    grep -qE '^\| errors +\| +0 ' "$log_dir/check.log" || failed_check check
}

# open_socket NAME CODE [CURL_ARGS...]: a WebSocket that stays for some seconds; nginx has to answer with the code.
open_socket() {
    local name=$1 code=$2
    shift 2
    rm -f "$state/$name.head"
    start_child "$name" curl --silent --no-buffer --noproxy '*' --http1.1 --max-time 15 --dump-header "$state/$name.head" \
        --output "$state/$name.frames" --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
        --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
        --header 'Sec-WebSocket-Protocol: ticketengine.v1.json' "$@" \
        "http://$nginx_page/v1/events/$TE_EVENT/seats"
    wait_for 5 grep -qs "^HTTP/1.1 $code" "$state/$name.head" ||
        die "$name: $code was expected, not $(head -n1 "$state/$name.head")"
}

# A gateway lets a client have one socket: two say that both gateways are used, a third that they know who it is.
sockets_reach_both_gateways() {
    step "WebSockets"
    open_socket socket-1 101 --header "Origin: http://$nginx_page"
    open_socket socket-2 101
    wait_for 5 grep -qsa '"type":"snapshot"' "$state/socket-1.frames" || die "there came no snapshot"
    open_socket socket-3 503
    open_socket socket-4 503 --header 'X-Forwarded-For: 203.0.113.9'
    open_socket socket-5 101 --interface 127.0.0.2
    open_socket socket-6 403 --interface 127.0.0.3 --header 'Origin: http://elsewhere.example'
    say "    both gateways take some, and know who comes"
}
