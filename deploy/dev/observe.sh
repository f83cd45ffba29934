# shellcheck shell=bash
# `test-metrics`: rules, alerts and dashboards on a Prometheus that watches a sale, with a system of its own.
: "${root:?}" "${state:?}" "${programs:?}" "${log_dir:?}"

# The sale, and who watches it at the gateway, also while something goes wrong after it; in seconds. Few enough that a
# busy machine serves them well.
sale_length=20
sale_customers=600
browsers=40
browsers_length=40

cmd_test_metrics() {
    (($# == 0)) || die "test-metrics takes no arguments"
    make_state
    exec 9>>"$state/metrics.lock"
    flock -n 9 || die "another ./dev test-metrics is running here"
    find_tools
    find_node
    find_prometheus
    try_rules
    build
    own_place metrics
    start_services
    local gateway_metrics began url
    pick_port 19470 && gateway_metrics="127.0.0.1:$REPLY"
    TE_METRICS_LISTEN="$gateway_metrics" start_gateway
    start_prometheus "$gateway_metrics"
    began=$(date +%s)
    hold_sale
    step "what is scraped is well-formed, and no alert fires"
    for url in ${TE_DEV_METRICS//,/ } "http://$gateway_metrics/metrics"; do try_scrape "$url"; done
    node "$root/deploy/prometheus/check.mjs" quiet "$prometheus_url"
    lose_something
    step "each rule and each panel has data"
    node "$root/deploy/prometheus/check.mjs" data "$prometheus_url" "$began"
}

prometheus= # the programs
promtool=

# Not installed: that would start a service.
find_prometheus() {
    local home="$state/tools/prometheus/usr/bin"
    if prometheus=$(command -v prometheus) && promtool=$(command -v promtool); then return; fi
    unpack_package prometheus usr/bin/promtool
    prometheus="$home/prometheus" promtool="$home/promtool"
}

# All that needs no running system.
try_rules() {
    local here="$root/deploy/prometheus"
    step "the rules and their tests, and whether the dashboards are what their sources make"
    "$promtool" check rules "$root"/helm/rules/*.yaml >"$log_dir/rules.log" 2>&1 || failed_rules
    "$promtool" test rules "$here"/*.test.yaml >"$log_dir/rules.log" 2>&1 || failed_rules
    node "$here/dashboards.mjs" --check || die "run: node deploy/prometheus/dashboards.mjs"
}

failed_rules() {
    cat "$log_dir/rules.log" >&2
    die "promtool is not content with the rules"
}

prometheus_url=

# start_prometheus GATEWAY: scrapes it and the replicas once a second, with the labels that Prometheus's operator gives.
start_prometheus() {
    local port services=${TE_DEV_METRICS//http:\/\//} operator='pod: pod, container: container, endpoint: metrics'
    pick_port 19090 && port=$REPLY
    prometheus_url="http://127.0.0.1:$port"
    rm -rf "$state/prometheus"
    mkdir -p "$state/prometheus"
    cat >"$state/prometheus/prometheus.yml" <<CONF
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["$root/helm/rules/*.yaml"]
scrape_configs:
  - job_name: booking-svc
    static_configs: [{ targets: [${services//\/metrics/}], labels: { namespace: dev, service: te-booking-svc-headless, $operator } }]
  - job_name: ws-gateway
    static_configs: [{ targets: ["$1"], labels: { namespace: dev, service: te-ws-gateway, $operator } }]
CONF
    start_child prometheus "$prometheus" --config.file="$state/prometheus/prometheus.yml" --log.level=warn \
        --storage.tsdb.path="$state/prometheus/data" --web.listen-address="127.0.0.1:$port"
    await_child prometheus 30 curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$prometheus_url/-/ready"
}

watching= # the process of the browsers

# A sale with short holds, so that some end by themselves. The browsers stay.
hold_sale() {
    export TE_EVENT=metrics TE_TOKEN
    timeout 120 "$programs/booking-svc" event load "$root/deploy/venues/arena.json" --event-id "$TE_EVENT" \
        --hold-ttl 3s --open-sales >/dev/null || die "booking-svc event load failed"
    TE_TOKEN=$("$programs/booking-svc" token mint --role customer --sub metrics) || die "no token"
    step "a sale of $sale_length s, with $browsers browsers"
    start_child browsers timeout 60 node "$root/deploy/prometheus/browsers.mjs" "$browsers" "$browsers_length"
    watching=$!
    start_child sale env TE_REDIS_URL="$TE_DEV_REDIS_URL" TE_DATABASE_URL="$TE_DEV_DATABASE_URL" timeout 60 \
        "$programs/loadtest" demo --seconds "$sale_length" --customers "$sale_customers"
    wait $! || failed_part sale
}

# failed_part NAME
failed_part() {
    show_log "$1"
    die "$1 failed"
}

# try_scrape URL: OpenTelemetry's name for the connections of a pool is the one that promtool does not like.
try_scrape() {
    local file="$state/scrape" complaints
    curl --silent --fail --noproxy '*' --max-time 5 --output "$file" "$1" || die "$1 does not answer"
    complaints=$("$promtool" check metrics <"$file" 2>&1 | grep -v '^db_client_connection_count ') || return 0
    die "promtool about $1: $complaints"
}

# For what only then is counted.
lose_something() {
    local port=${TE_REDIS_URL##*:} urls index
    step "Redis loses an event, and the replica stops through which the gateway watches"
    [[ $(REDISCLI_AUTH="$redis_password" timeout 5 redis-cli -p "${port%/*}" del "$TE_KEY_PREFIX:{theatre}:meta") == 1 ]] ||
        die "Redis did not have the event, or refused"
    IFS=, read -ra urls <<<"$TE_DEV_METRICS"
    for index in "${!replicas[@]}"; do
        curl --silent --fail --noproxy '*' --max-time 5 "${urls[index]}" | grep -q '^ticketengine_watchers [1-9]' || continue
        stop_child "${replicas[index]}" TERM 30
        wait "$watching" || failed_part browsers
        return
    done
    die "the gateway watches through no replica"
}

stop_metrics() {
    local name
    for name in browsers sale prometheus; do stop_child "$name" TERM 10; done
    stop_everything
    remove_postgres "$state/postgres"
    rm -rf "$state/redis" "$state/secrets"
}

metrics_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then
        show_log booking-svc-2
        warn "logs are in $log_dir"
    fi
    stop_metrics
    exit "$1"
}
