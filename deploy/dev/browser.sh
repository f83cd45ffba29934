# shellcheck shell=bash
# `test-browser`: the page in a headless Chromium, against a system of its own.
: "${root:?}" "${state:?}" "${programs:?}"

cmd_test_browser() {
    local shots="$state/test/shots"
    make_state
    exec 9>>"$state/browser.lock"
    flock -n 9 || die "another ./dev test-browser is running here"
    find_tools
    find_node
    find_chromium
    install_playwright
    build
    own_place browser
    start_services
    rm -rf "$shots"
    mkdir -p "$shots"
    step "running the tests in $chromium"
    # The tests start and stop gateways themselves.
    (cd "$root/e2e/browser" && exec env TE_TEST_CHROMIUM="$chromium" TE_TEST_SHOTS="$shots" \
        TE_TEST_BIN="$programs" setsid timeout 900 node --test "$@" ./*.test.mjs 9>&-) &
    remember_pid node $!
    wait $!
}

find_node() {
    local missing=()
    have node || missing+=(nodejs)
    have npm || missing+=(npm)
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
    if [[ ! $(node --version) =~ ^v([0-9]+)\. ]] || ((BASH_REMATCH[1] < 18)); then
        die "Node 18 or newer is needed, this is: $(node --version)"
    fi
}

chromium= # the program

# Debian has Chromium as a package. Ubuntu's package of that name only fetches a snap: not something to do unasked.
find_chromium() {
    local name
    for name in "${TE_TEST_CHROMIUM:-chromium}" chromium-browser google-chrome-stable google-chrome; do
        if chromium=$(command -v "$name") && timeout 20 "$chromium" --version >/dev/null 2>&1; then return; fi
    done
    if grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
        apt_install chromium
        chromium=$(command -v chromium) && return
    fi
    die "no Chromium found. Install one (on Ubuntu: snap install chromium), or set TE_TEST_CHROMIUM to a Chrome's path"
}

install_playwright() {
    local home="$root/e2e/browser"
    ! cmp -s "$home/package-lock.json" "$home/node_modules/.installed" || return 0
    step "installing playwright-core"
    npm ci --prefix "$home" --no-audit --no-fund --ignore-scripts --loglevel=error || die "npm ci failed"
    cp "$home/package-lock.json" "$home/node_modules/.installed"
}

# The whole group of node: its browsers and its gateways.
stop_browser() {
    if live_pid node; then kill -s TERM -- "-$REPLY" 2>/dev/null || true; fi
    stop_child node TERM 10
    stop_everything
    remove_postgres "$state/postgres"
    rm -rf "$state/redis" "$state/secrets"
}

browser_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then
        show_log booking-svc-1
        warn "logs are in $log_dir"
    fi
    stop_browser
    exit "$1"
}
