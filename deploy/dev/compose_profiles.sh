# shellcheck shell=bash
# For `test-compose`: the profiles of compose.yaml that are more than one Redis. Their servers run as processes, a replica
# serves on them, and goes on when some of them are killed.
: "${root:?}" "${state:?}" "${programs:?}" "${run_dir:?}" "${log_dir:?}"

# How long the rest may need to take over.
takeover_seconds_max=60

profile_servers=() # of the profile that is tried

# try_profiles POSTGRES_PORT
try_profiles() {
    export TE_TOKEN
    TE_TOKEN=$("$programs/booking-svc" token mint --role service --sub compose) || die "no token"
    try_profile redlock "$1" 2
    try_profile cluster "$1" 1
    try_profile sentinel "$1" 1
}

# try_profile PROFILE POSTGRES_PORT KILLED: so many servers are killed, first the one that has the event.
try_profile() {
    local profile=$1 postgres_port=$2 killed=$3 name holders began
    step "the profile $profile"
    start_profile "$profile"
    TE_REDIS_URL=$(<"$state/redis/$profile.url")
    run_compose sample sample "$postgres_port" event load "$root/deploy/venues/theatre.json" --event-id "$profile" --open-sales
    start_compose_replica "$postgres_port"
    reserves "$profile" 1 || profile_failed "Reserve fails"
    mapfile -t holders < <(those_with "$profile")
    ((${#holders[@]} > 0)) || die "no server has the event"
    for name in "${holders[@]}" "${profile_servers[@]}"; do
        ((killed > 0)) || break
        ! gone "$name" || continue
        say "    $name is killed"
        kill_server "$name"
        killed=$((killed - 1))
    done
    began=$SECONDS
    wait_for "$takeover_seconds_max" reserves "$profile" 21 || profile_failed "no other server takes over"
    say "    seats are held again after $((SECONDS - began)) s"
    stop_child booking-svc TERM 30
    stop_profiles
}

# Starts the servers of a profile, then runs what makes them one, as each `up` does.
start_profile() {
    local name needed steps=() places=()
    mapfile -t profile_servers < <(services_of "$1" unless-stopped)
    mapfile -t steps < <(services_of "$1" no)
    ((${#profile_servers[@]} > 0)) || die "there is no profile $1"
    for name in "${profile_servers[@]}"; do
        pick_redis_port
        places+=("$name=$REPLY")
    done
    write_processes "${places[@]}" "${steps[@]}"
    # In the order of their names, those that others wait for come first.
    for name in "${profile_servers[@]}"; do
        for needed in $(needs_of "$name"); do await_child "$needed" 60 is_healthy "$needed"; done
        start_compose "$name"
    done
    for name in "${profile_servers[@]}"; do await_child "$name" 60 is_healthy "$name"; done
    for name in "${steps[@]}" "${steps[@]}"; do
        timeout 120 sh "$state/redis/$name/run" </dev/null >"$log_dir/$name.log" 2>&1 9>&- || {
            show_log "$name"
            die "$name has failed"
        }
    done
}

# services_of PROFILE RESTART
services_of() {
    node -e 'const { services } = JSON.parse(fs.readFileSync(process.argv[1]));
        for (const [name, { profiles, restart }] of Object.entries(services))
            if (profiles?.includes(process.argv[2]) && restart === process.argv[3]) console.log(name);' "${model:?}" "$1" "$2"
}

# needs_of SERVICE: those that it waits for.
needs_of() {
    node -p 'Object.keys(JSON.parse(fs.readFileSync(process.argv[1])).services[process.argv[2]].depends_on ?? {}).join(" ")' \
        "${model:?}" "$1"
}

# A cluster's servers also talk at the port 10,000 above.
pick_redis_port() {
    pick_port 21379
    until port_free $((REPLY + 10000)); do pick_port 21379; done
}

# write_processes SERVICE[=PORT]...
write_processes() {
    mkdir -p "$state/redis"
    node "$root/deploy/compose/processes.mjs" "$model" "$root" "$state/redis" "$(command -v "${redis_server:?}")" "$@" ||
        die "compose.yaml can not be run as processes"
}

start_compose() { start_child "$1" sh "$state/redis/$1/run"; }
is_healthy() { sh "$state/redis/$1/healthy" >>"$log_dir/healthy.log" 2>&1 9>&-; }

# reserves EVENT SEAT: twenty seats, from this one on.
reserves() {
    timeout 30 node "$root/deploy/nginx/test/check.mjs" burst "http://$TE_LISTEN" "$1" "$2" 20 </dev/null \
        >"$log_dir/reserve.log" 2>&1 9>&-
}

# kill_server SERVER: the shell says nothing of it.
kill_server() {
    if live_pid "$1"; then
        kill -s KILL "$REPLY"
        wait "$REPLY" 2>/dev/null || true
    fi
    rm -f "$run_dir/$1.pid"
}

# those_with EVENT: the primaries that have its seats.
those_with() {
    local name
    for name in "${profile_servers[@]}"; do
        [[ $name != sentinel-* ]] || continue
        [[ $(sh "$state/redis/$name/ask" exists "te:{$1}:meta") == 1 ]] || continue
        [[ $(sh "$state/redis/$name/ask" info replication) != *role:master* ]] || say "$name"
    done
}

profile_failed() {
    show_log reserve
    show_log booking-svc
    die "$1"
}

# Also those that a run that was killed left behind.
stop_profiles() {
    local file name
    for file in "$run_dir"/{redlock,cluster,replicated,sentinel}-*.pid; do
        [[ -e $file ]] || continue
        name=${file##*/}
        stop_child "${name%.pid}" TERM 30
    done
}
