# shellcheck shell=bash
# `up` and `down`. One process, the supervisor, owns all others and holds the lock as long as it lives.
: "${root:?}" "${state:?}" "${programs:?}"

lock_file="$state/lock"
replicas=(booking-svc-1 booking-svc-2)

cmd_up() {
    local detach=
    case ${1:-} in
        --detach) detach=yes ;;
        '') ;;
        *) die "up takes no argument but --detach" ;;
    esac
    make_state
    if is_running; then
        already_up
        return
    fi
    find_tools
    build
    if [[ $detach ]]; then start_detached; else supervise; fi
}

# Whether a supervisor lives.
is_running() { [[ -e $lock_file ]] && ! (exec 9>>"$lock_file" && flock -n 9); }
not_running() { ! is_running; }

is_ready() { [[ -s $run_dir/ready ]]; }
ready_or_ended() { is_ready || not_running; }

# Waits for the supervisor that runs, which may be starting, and shows its addresses.
already_up() {
    wait_for 300 ready_or_ended || die "another ./dev up is starting and does not get ready; see $log_dir"
    is_ready || die "another ./dev up has just failed; see $log_dir"
    say "TicketEngine is up already."
    show_addresses
}

start_detached() {
    local pid
    setsid "$root/dev" _supervise </dev/null >"$log_dir/up.log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2317 # wait_for calls it
    started_or_ended() { [[ $(cat "$run_dir/ready" 2>/dev/null) == "$pid" ]] || ! kill -0 "$pid" 2>/dev/null; }
    if ! wait_for 300 started_or_ended; then
        kill "$pid" 2>/dev/null || true
        die "the start takes too long; see $log_dir"
    fi
    if [[ $(cat "$run_dir/ready" 2>/dev/null) == "$pid" ]]; then
        disown "$pid"
        show_addresses
        say "Stop it:      ./dev down"
    elif wait "$pid"; then
        already_up # another `up` was faster
    else
        cat "$log_dir/up.log" >&2
        die "the start failed"
    fi
}

# The process that stays: starts everything, watches it, stops it.
supervise() {
    exec 9>>"$lock_file"
    # Waits a little: is_running of another ./dev takes the lock for an instant.
    if ! flock -w 2 9; then
        exec 9>&-
        already_up
        return
    fi
    rm -f "$run_dir/ready"
    remember_pid up $$
    trap 'supervisor_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stop_everything # what a supervisor that was killed left behind
    find_tools
    start_everything
    say $$ >"$run_dir/ready"
    show_addresses
    say "Stop it:      Ctrl-C"
    trap 'exit 0' INT TERM HUP
    watch_children
    exit 1
}

supervisor_exit() {
    trap '' INT TERM HUP EXIT
    rm -f "$run_dir/ready"
    step "stopping"
    stop_everything
    rm -f "$run_dir/up.pid"
    exit "$1"
}

# The gateway first: it tells its browsers when to come back. Then the services together, while the stores still
# answer them.
stop_everything() {
    local name
    stop_child ws-gateway TERM 30
    for name in "${replicas[@]}"; do signal_child "$name" TERM; done
    for name in "${replicas[@]}"; do stop_child "$name" TERM 30; done
    stop_stores
}

start_everything() {
    start_services
    step "starting ws-gateway"
    start_gateway
}

# The stores and the replicas, with the sample event; sets the environment.
start_services() {
    local redis_port postgres_port gateway_port ports=() metrics=() index
    load_secrets
    pick_port 16379 && redis_port=$REPLY
    pick_port 15432 && postgres_port=$REPLY
    start_stores "$redis_port" "$postgres_port"
    for index in "${!replicas[@]}"; do
        pick_port $((50051 + index)) && ports[index]=$REPLY
        pick_port $((19464 + index)) && metrics[index]=$REPLY
    done
    pick_port 8080 && gateway_port=$REPLY
    write_env "$redis_port" "$postgres_port" "${ports[*]}" "${metrics[*]}" "$gateway_port"
    # shellcheck source=/dev/null
    source "$state/env"
    prepare_data
    step "starting ${#replicas[@]} replicas of booking-svc"
    for index in "${!replicas[@]}"; do
        start_child "${replicas[index]}" env TE_LISTEN="127.0.0.1:${ports[index]}" \
            TE_METRICS_LISTEN="127.0.0.1:${metrics[index]}" "$programs/booking-svc" serve
    done
    for index in "${!replicas[@]}"; do await_child "${replicas[index]}" 60 is_serving "${ports[index]}"; done
}

# The page may mint tokens here, as the developer may.
start_gateway() {
    start_child ws-gateway env TE_GATEWAY_LISTEN="${TE_DEV_GATEWAY#http://}" TE_DEMO_JWT_SECRET="$TE_JWT_SECRET" \
        "$programs/ws-gateway"
    await_child ws-gateway 60 gateway_ready
}

gateway_ready() { curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$TE_DEV_GATEWAY/readyz"; }

# write_env REDIS_PORT POSTGRES_PORT PORTS METRICS_PORTS GATEWAY_PORT: the settings of the running system, for all who need them.
write_env() {
    local targets="http://127.0.0.1:${3// /,http://127.0.0.1:}"
    local metrics_urls="http://127.0.0.1:${4// //metrics,http://127.0.0.1:}/metrics"
    (
        umask 077
        cat >"$state/env.new" <<ENV
export TE_REDIS_URL='redis://ticketengine:$redis_service_password@127.0.0.1:$1/0'
export TE_DATABASE_URL='postgres://ticketengine_service:$postgres_service_password@127.0.0.1:$2/ticketengine'
# For who looks after the stores: migrations, audits, the bench.
export TE_DEV_REDIS_URL='redis://:$redis_password@127.0.0.1:$1/0'
export TE_DEV_DATABASE_URL='postgres://ticketengine:$postgres_password@127.0.0.1:$2/ticketengine'
export TE_KEY_PREFIX='te'
# Stores that a developer stops and starts all day: nobody waits a minute for holds of before.
export TE_QUARANTINE='${TE_QUARANTINE:-off}'
export TE_TOKEN_SECRET='$token_secret'
export TE_JWT_SECRET='$jwt_secret'
export TE_JWT_ISSUER='ticketengine-dev'
export TE_JWT_AUDIENCE='ticketengine'
export TE_TARGETS='$targets'
export TE_DEV_METRICS='$metrics_urls'
export TE_DEV_GATEWAY='http://127.0.0.1:$5'
ENV
    )
    mv "$state/env.new" "$state/env"
}

# as_owner COMMAND...: on the stores as who may do more than the service.
as_owner() {
    [[ -n ${TE_DEV_REDIS_URL:-} ]] || die "what runs here was started by an older ./dev: stop it, and ./dev up again"
    env TE_REDIS_URL="$TE_DEV_REDIS_URL" TE_DATABASE_URL="$TE_DEV_DATABASE_URL" "$@"
}

migrate() {
    step "applying migrations"
    TE_DATABASE_URL=$TE_DEV_DATABASE_URL run_booking_svc migrate migrate --service-role ticketengine_service || {
        show_log migrate
        die "booking-svc migrate failed"
    }
}

prepare_data() {
    migrate
    step "loading the sample event 'theatre'"
    run_booking_svc theatre event load "$root/deploy/venues/theatre.json" --event-id theatre --open-sales || {
        show_log theatre
        theatre_exists "$TE_DATABASE_URL" || die "booking-svc event load failed"
        warn "the event 'theatre' of an earlier run is kept"
    }
}

# run_booking_svc LOG ARGS...: one bounded step of the start.
run_booking_svc() {
    local log="$log_dir/$1.log"
    shift
    timeout 120 "$programs/booking-svc" "$@" </dev/null >"$log" 2>&1 9>&-
}

# theatre_exists DATABASE_URL
theatre_exists() {
    [[ $(timeout 20 "$pg_bin/psql" --no-psqlrc --quiet --tuples-only --no-align --dbname="$1" \
        --command="SELECT 'yes' FROM events WHERE event_id = 'theatre'" 2>/dev/null) == yes ]]
}

# is_serving PORT: asks grpc.health.v1 by curl; the request is an empty message, the good answer says status 1.
is_serving() {
    local answer
    answer=$(printf '\0\0\0\0\0' | curl --silent --noproxy '*' --max-time 2 --http2-prior-knowledge \
        --header 'content-type: application/grpc' --header 'te: trailers' --data-binary @- \
        "http://127.0.0.1:$1/grpc.health.v1.Health/Check" 2>/dev/null | od -An -tx1)
    [[ $answer == *"00 00 00 00 02 08 01"* ]]
}

show_addresses() {
    local first token grpcurl=grpcurl
    # shellcheck source=/dev/null
    source "$state/env"
    first=${TE_TARGETS%%,*}
    if ! have grpcurl && [[ -x $state/tools/bin/grpcurl ]]; then grpcurl="$state/tools/bin/grpcurl"; fi
    token=$(timeout 10 "$programs/booking-svc" token mint --role customer --sub alice --ttl 12h) || token="TOKEN"
    cat <<TEXT

page:         $TE_DEV_GATEWAY/?event=theatre
booking-svc:  ${TE_TARGETS//,/  }
metrics:      ${TE_DEV_METRICS//,/  }
Redis:        ${TE_REDIS_URL##*@}
PostgreSQL:   ${TE_DATABASE_URL##*@}
settings:     source .dev/env
logs:         $log_dir

A first call, as the customer alice:

$grpcurl -plaintext -H 'authorization: Bearer $token' -d '{"event_id": "theatre", "seat_ids": [0, 1], "request_id": "first-$RANDOM"}' ${first#http://} ticketengine.booking.v1.BookingService/Reserve

TEXT
    have "$grpcurl" || say "grpcurl is missing: ./dev tools builds it"
}

cmd_down() {
    (($# == 0)) || die "down takes no arguments"
    [[ -d $state ]] || { say "Nothing is running."; return; }
    make_state
    if is_running; then
        wait_for 2 live_pid up || die "./dev up is just starting or stopping; try again"
        kill -s TERM "$REPLY"
        wait_for 120 not_running || {
            live_pid up && kill -s KILL "$REPLY"
            stop_everything
        }
        say "Stopped. The data stays in .dev."
    elif compgen -G "$run_dir/*.pid" >/dev/null; then
        stop_everything
        rm -f "$run_dir"/{up.pid,ready}
        say "Stopped what was left of a killed ./dev up."
    else
        say "Nothing is running."
    fi
}
