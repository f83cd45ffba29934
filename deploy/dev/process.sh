# shellcheck shell=bash
# Child processes: started in sessions of their own, so that Ctrl-C reaches only ./dev, which stops them in order.
# Needs: run_dir, log_dir. File descriptor 9 is the lock; no child inherits it.

children=()

# start_time PID: sets REPLY to when the process started. With the pid it names a process for ever. Fails on a zombie.
start_time() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    REPLY=${fields[19]}
}

remember_pid() {
    start_time "$2" || REPLY=gone
    printf '%s %s\n' "$2" "$REPLY" >"$run_dir/$1.pid"
}

# live_pid NAME: sets REPLY to the pid that was remembered, if it is still the same process.
live_pid() {
    local pid started
    { read -r pid started <"$run_dir/$1.pid"; } 2>/dev/null || return 1
    start_time "$pid" && [[ $REPLY == "$started" ]] || return 1
    REPLY=$pid
}
gone() { ! live_pid "$1"; }

# start_child NAME COMMAND...
start_child() {
    local name=$1 log="$log_dir/$1.log"
    shift
    [[ ! -s $log ]] || mv -f "$log" "$log.old"
    setsid "$@" </dev/null >"$log" 2>&1 9>&- &
    remember_pid "$name" $!
    children+=("$name")
}

# show_log NAME: the last lines of a log.
show_log() {
    [[ -e $log_dir/$1.log ]] || return 0
    warn "the end of $log_dir/$1.log:"
    tail -n 20 "$log_dir/$1.log" | sed 's/^/    /' >&2
}

# await_child NAME SECONDS COMMAND...: waits until the command succeeds; gives up when the child ends.
await_child() {
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@"; do
        if ! live_pid "$name"; then
            show_log "$name"
            die "$name ended while it was starting"
        elif ((SECONDS >= deadline)); then
            show_log "$name"
            die "$name is not ready in time"
        fi
        sleep 0.1 9>&-
    done
}

# signal_child NAME SIGNAL
signal_child() { if live_pid "$1"; then kill -s "$2" "$REPLY" 2>/dev/null || true; fi; }

# stop_child NAME SIGNAL SECONDS: asks, waits, then kills.
stop_child() {
    if live_pid "$1"; then
        signal_child "$1" "$2"
        if ! wait_for "$3" gone "$1"; then
            warn "$1 did not stop within $3 s and is killed"
            signal_child "$1" KILL
            wait_for 10 gone "$1" || warn "$1 cannot be killed"
        fi
    fi
    rm -f "$run_dir/$1.pid"
}

# Returns when a child has ended by itself, after saying which.
watch_children() {
    local name pid rest status
    while sleep 1 9>&-; do
        for name in "${children[@]}"; do
            live_pid "$name" && continue
            read -r pid rest <"$run_dir/$name.pid"
            status=0
            wait "$pid" 2>/dev/null || status=$?
            show_log "$name"
            warn "$name ended with status $status; stopping the rest"
            return
        done
    done
}
