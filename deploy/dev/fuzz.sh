# shellcheck shell=bash
# `fuzz`: each fuzz target for a while, from the kept inputs and from what earlier runs here have found.
: "${root:?}" "${state:?}" "${target:?}"

cargo_fuzz_version=0.13.1
fuzz_seconds_default=20
fuzz_input_seconds_max=10
fuzz_memory_kib_max=$((768 * 1024))
# The longest input: all that matters fits, a venue file with every kind of row as well.
fuzz_input_bytes_max=16384

# cmd_fuzz [SECONDS [TARGET...]]
cmd_fuzz() {
    local seconds=${1:-$fuzz_seconds_default} name names failed=()
    [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || die "usage: ./dev fuzz [SECONDS [TARGET...]]"
    make_state
    exec 9>>"$state/fuzz.lock"
    flock -n 9 || die "another ./dev fuzz is running here"
    run_dir="$state/fuzz/run"
    log_dir="$state/fuzz/log"
    mkdir -p "$run_dir" "$log_dir"
    find_cargo
    have c++ || apt_install g++
    trap 'fuzz_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stop_fuzz # what a run that was killed left behind
    build_fuzz
    names=("${@:2}")
    ((${#names[@]} > 0)) || mapfile -t names < <(fuzz_targets)
    for name in "${names[@]}"; do
        fuzz_one "$name" "$seconds" || failed+=("$name")
    done
    ((${#failed[@]} == 0)) || die "found by ${failed[*]}: see above"
}

fuzz_targets() { sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"/\1/p}' "$root/fuzz/Cargo.toml"; }

# cargo_fuzz COMMAND...: the stable compiler will do, with its unstable flags allowed and without a sanitizer.
cargo_fuzz() {
    (cd "$root" && RUSTC_BOOTSTRAP=1 "$state/tools/bin/cargo-fuzz" "$@" 9>&-)
}

build_fuzz() {
    if [[ $("$state/tools/bin/cargo-fuzz" --version 2>/dev/null) != "cargo-fuzz $cargo_fuzz_version" ]]; then
        step "installing cargo-fuzz"
        cargo install --quiet --debug --locked --root "$state/tools" cargo-fuzz --version "$cargo_fuzz_version" 9>&- ||
            die "cargo-fuzz could not be installed"
    fi
    step "building the fuzz targets (the first time takes some minutes)"
    # `cargo fuzz` can not be told --locked.
    cargo fetch --quiet --locked --manifest-path "$root/fuzz/Cargo.toml" 9>&- || die "fuzz/Cargo.lock is out of date"
    cargo_fuzz build --sanitizer none --target-dir "$target/fuzz" >"$log_dir/build.log" 2>&1 || {
        show_log build
        die "the build failed"
    }
}

# fuzz_one TARGET SECONDS: new inputs go to .dev/fuzz, never to those that are kept in the repository.
fuzz_one() {
    local name=$1 log="$log_dir/$1.log" found="$state/fuzz/found/$1" crashes="$state/fuzz/crashes/$1/" program
    program="$target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release/$name"
    [[ -x $program ]] || die "no such fuzz target: $name"
    mkdir -p "$found" "$crashes" "$root/fuzz/corpus/$name"
    (
        # Without a sanitizer libFuzzer looks at the memory once a second only.
        ulimit -v "$fuzz_memory_kib_max"
        exec setsid nice "$program" "$found" "$root/fuzz/corpus/$name" -artifact_prefix="$crashes" \
            -max_total_time="$2" -max_len="$fuzz_input_bytes_max" -timeout="$fuzz_input_seconds_max" \
            -print_final_stats=1 </dev/null >"$log" 2>&1 9>&-
    ) &
    remember_pid fuzzer $!
    if wait $!; then
        awk -v name="$name" '$2 == "DONE" { cover = $4 } /^stat::number_of_exec/ { n = $2 } /^stat::average/ { rate = $2 }
            END { printf "%-10s %9d inputs, %6d a second, covers %d edges\n", name, n, rate, cover }' "$log"
        return
    fi
    warn "$name found something, or did not run:"
    grep -aE -A2 'panicked at|memory allocation|ERROR: libFuzzer: (timeout|out)' "$log" | cut -c1-300 >&2 || show_log "$name"
    program=$(sed -n 's/.*Test unit written to //p' "$log")
    if [[ -n $program ]]; then
        warn "the input is $program; try it again, also after a change:
    RUSTC_BOOTSTRAP=1 .dev/tools/bin/cargo-fuzz run --sanitizer none --target-dir target/fuzz $name $program
then keep it in fuzz/corpus/$name"
    fi
    return 1
}

stop_fuzz() { stop_child fuzzer KILL 5; }

fuzz_exit() {
    trap '' INT TERM HUP EXIT
    stop_fuzz
    exit "$1"
}
