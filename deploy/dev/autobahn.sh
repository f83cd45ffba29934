# shellcheck shell=bash
# `test-autobahn`: the Autobahn cases against an echo server with the gateway's own sockets.
: "${root:?}" "${state:?}" "${target:?}"

cmd_test_autobahn() {
    local port
    (($# == 0)) || die "test-autobahn takes no arguments"
    make_state
    exec 9>>"$state/autobahn.lock"
    flock -n 9 || die "another ./dev test-autobahn is running here"
    run_dir="$state/autobahn/run"
    log_dir="$state/autobahn/log"
    mkdir -p "$run_dir" "$log_dir"
    find_cargo
    find_fuzzer
    trap 'autobahn_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stop_autobahn # what a run that was killed left behind
    find_kafka_compilers
    step "building the echo server, together with the tests"
    # All of it, as `./dev test` does: with fewer packages cargo would choose other features and compile all again.
    (cd "$root" && cargo test --locked --workspace --all-features --no-run --quiet 9>&-) || die "the build failed"
    pick_port 29001 && port=$REPLY
    start_child echo "$target/debug/examples/echo" "127.0.0.1:$port"
    await_child echo 30 listens "$port"
    step "running the Autobahn cases"
    (exec setsid timeout 900 "$fuzzer" "$root/e2e/autobahn/run.py" "127.0.0.1:$port" 9>&-) &
    remember_pid fuzzer $!
    wait $!
}

# listens PORT
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

fuzzer= # a Python that has the fuzzing client

find_fuzzer() {
    local home="$state/tools/autobahn" list="$root/e2e/autobahn/requirements.txt"
    fuzzer="$home/bin/python"
    ! cmp -s "$list" "$home/requirements.txt" || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    step "installing the fuzzing client"
    rm -rf "$home"
    python3 -m venv "$home" || die "python3 -m venv failed"
    "$fuzzer" -m pip --quiet --disable-pip-version-check install --require-hashes --only-binary :all: -r "$list" ||
        die "the fuzzing client could not be installed"
    cp "$list" "$home/requirements.txt"
}

stop_autobahn() {
    if live_pid fuzzer; then kill -s TERM -- "-$REPLY" 2>/dev/null || true; fi
    stop_child fuzzer TERM 5
    stop_child echo TERM 5
}

autobahn_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then show_log echo; fi
    stop_autobahn
    exit "$1"
}
