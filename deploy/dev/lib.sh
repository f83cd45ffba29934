# shellcheck shell=bash
# Small things that the other parts of ./dev use. Needs: root, state.
: "${root:?}" "${state:?}"

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf 'dev: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

# From here on everything is in a place of its own, beside an `up` that may be running. NAME_exit ends it; stop_NAME stops
# what a run that was killed left behind.
own_place() {
    state="$state/$1"
    run_dir="$state/run"
    log_dir="$state/log"
    make_state
    # shellcheck disable=SC2064  # The name is meant to be put in now.
    trap "$1_exit \$?" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    "stop_$1"
}

is_root() { ((EUID == 0)); }
have() { command -v "$1" >/dev/null 2>&1; }

# wait_for SECONDS COMMAND...: tries the command ten times a second until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1 9>&-
    done
}

# Makes .dev, readable by others (PostgreSQL may run as another user) but with nothing secret in the open.
make_state() {
    mkdir -p "$state"/{run,log,tools/bin} || die "cannot write to $state"
    [[ -O $state ]] || die "$state belongs to $(stat -c %U "$state"): run ./dev as that user, or remove it"
}

token_secret='' jwt_secret='' redis_password='' redis_service_password='' postgres_password=''
postgres_service_password=''

# Sets these secrets of this .dev; each is made once.
load_secrets() {
    local file="$state/secrets" name
    (
        umask 077
        cat "$file" >"$file.new" 2>/dev/null || true
        for name in token_secret jwt_secret redis_password redis_service_password postgres_password \
            postgres_service_password; do
            grep -q "^$name=" "$file.new" ||
                printf '%s=%s\n' "$name" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >>"$file.new"
        done
        mv "$file.new" "$file"
    )
    # shellcheck source=/dev/null
    source "$file"
}

# Ports that this run has picked, so that two picks before the first bind differ.
picked_ports=" "

# Whether no socket of this machine has the port: listeners, and clients that got it as theirs (50051 is in the range
# that Linux gives to clients). State 06 is TIME_WAIT: a server may have its own port back at once, but not one that a
# client had.
port_free() {
    local hex low high rest
    printf -v hex '%04X' "$1"
    { read -r low high </proc/sys/net/ipv4/ip_local_port_range; } 2>/dev/null || low=0 high=65535
    rest=06
    if (($1 >= low && $1 <= high)); then rest=none; fi
    ! awk -v port=":$hex" -v rest="$rest" \
        'substr($2, length($2) - 4) == port && $4 != rest { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# pick_port PREFERRED: sets REPLY to the first free port from there on.
pick_port() {
    local port
    for ((port = $1; port < $1 + 200; port++)); do
        if [[ $picked_ports != *" $port "* ]] && port_free "$port"; then
            picked_ports+="$port "
            REPLY=$port
            return
        fi
    done
    die "no free port between $1 and $(($1 + 199))"
}
