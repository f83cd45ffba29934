# shellcheck shell=bash
# Finds what the system needs on this machine, installs what is missing, builds.
: "${root:?}" "${state:?}"

# apt_install PACKAGE...: as root, or by sudo; otherwise says what to do.
apt_install() {
    local sudo=()
    have apt-get || die "packages are missing, and there is no apt-get here. Please install what Debian calls: $*"
    if ! is_root; then
        have sudo || die "packages are missing, and there is no sudo here. Please run as root: apt-get install $*"
        sudo -n true 2>/dev/null || [[ -t 0 ]] ||
            die "packages are missing, and sudo wants a password. Please run: sudo apt-get install $*"
        sudo=(sudo)
    fi
    step "installing: $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive bash -s -- "$@" <<'SCRIPT' || die "please install by hand: $*"
set -euo pipefail
# Debian's PostgreSQL would make a cluster and start it; for this once it is told not to.
conf=/etc/postgresql-common/createcluster.d/ticketengine.conf
trap 'rm -f "$conf"' EXIT
mkdir -p "${conf%/*}"
echo 'create_main_cluster = false' >"$conf"
apt-get -o DPkg::Lock::Timeout=300 -qq update
apt-get -o DPkg::Lock::Timeout=300 -qq -y --no-install-recommends install "$@" </dev/null
SCRIPT
}

redis_server= # the program
pg_bin=       # the directory of initdb and postgres

# Sets redis_server. Debian's redis-tools is enough: redis-check-rdb is the server under another name, and unlike
# redis-server that package brings no service that would be started.
find_redis() {
    have redis-cli || return 1
    if redis_server=$(command -v redis-server); then
        redis_is_new_enough
        return
    fi
    have redis-check-rdb || return 1
    redis_server="$state/tools/bin/redis-server"
    ln -sfn "$(command -v redis-check-rdb)" "$redis_server"
    [[ $("$redis_server" --version 2>&1) == *"server v="* ]] || die "no Redis server. Please install redis-server"
    redis_is_new_enough
}

redis_is_new_enough() {
    local version
    version=$("$redis_server" --version 2>&1)
    if [[ ! $version =~ v=([0-9]+)\. ]] || ((BASH_REMATCH[1] < 7)); then
        die "Redis 7 or newer is needed, and this is: $version. Please install one (Debian 12, Ubuntu 24.04, or redis.io)"
    fi
}

# Sets pg_bin: the newest directory that holds a whole PostgreSQL server.
find_postgres() {
    while read -r pg_bin; do
        [[ ! -x $pg_bin/initdb || ! -x $pg_bin/postgres || ! -x $pg_bin/psql ]] || return 0
    done < <(
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr
        dirname "$(readlink -f "$(command -v postgres || say /none/none)")"
    )
    return 1
}

# What an old cargo says about a newer edition is hard to understand, so the version is looked at here.
find_cargo() {
    local wanted found
    have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    have cargo || die "cargo is missing. Get Rust from https://rustup.rs, then open a new shell"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    found=$(cd "$root" && cargo --version | cut -d' ' -f2) || die "cargo does not run"
    [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n1) == "$wanted" ]] ||
        die "Rust $wanted or newer is needed, this is $found. Try: rustup update stable"
}

# Everything that `up` and `test` need.
find_tools() {
    local missing=()
    find_cargo
    have cc || missing+=(gcc libc6-dev)
    have curl || missing+=(curl)
    if ! have setpriv || ! have flock || ! have setsid; then missing+=(util-linux); fi
    find_redis || missing+=(redis-tools)
    find_postgres || missing+=(postgresql)
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
    find_redis || die "no Redis server found. Please install redis-server"
    find_postgres || die "no PostgreSQL server found. Please install postgresql"
}

pgbouncer= # the program

# Sets pgbouncer. It is not installed: that would start it.
find_pgbouncer() {
    pgbouncer=$(command -v pgbouncer || command -v /usr/sbin/pgbouncer) && return
    unpack_package pgbouncer usr/sbin/pgbouncer
    pgbouncer="$state/tools/pgbouncer/usr/sbin/pgbouncer"
    "$pgbouncer" --version >/dev/null 2>&1 || apt_install libevent-2.1-7 libc-ares2
    "$pgbouncer" --version >/dev/null || die "pgbouncer does not run. Please install it"
}

# build [ARGS...]: the programs, or what these arguments of cargo name. A test build has all, with all features.
build() {
    local what=(--release -p booking-svc -p loadtest -p ws-gateway)
    (($# == 0)) || what=(--release "$@")
    if [[ $profile != release ]]; then
        find_kafka_compilers
        what=(--profile "$profile" --workspace --all-features --bins)
    fi
    step "building (the first time takes some minutes)"
    (cd "$root" && cargo build --locked "${what[@]}" 9>&-) || die "the build failed"
}

# unpack_package NAME PROGRAM: into .dev/tools/NAME, unless PROGRAM is there.
unpack_package() {
    local home="$state/tools/$1"
    [[ ! -x $home/$2 ]] || return 0
    have apt-get || die "$1 is missing, and there is no apt-get here. Please install it"
    step "fetching $1"
    # What apt_install does first is to bring apt's lists up to date.
    download_package "$1" "$home.new" || { apt_install curl && download_package "$1" "$home.new"; } ||
        die "$1 could not be fetched"
    rm -rf "$home"
    mv "$home.new" "$home"
}

# download_package NAME DIR
download_package() {
    rm -rf "$2"
    mkdir -p "$2"
    (cd "$2" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1" && dpkg-deb -x "$1"_*.deb . && rm "$1"_*.deb)
}
