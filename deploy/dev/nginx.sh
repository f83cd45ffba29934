# shellcheck shell=bash
# `test-nginx`: deploy/nginx/nginx.conf before three replicas and two gateways, on stores of their own.
: "${root:?}" "${state:?}" "${programs:?}"

cmd_test_nginx() {
    (($# == 0)) || die "test-nginx takes no arguments"
    make_state
    exec 9>>"$state/nginx.lock"
    flock -n 9 || die "another ./dev test-nginx is running here"
    find_tools
    find_node
    find_nginx
    build
    replicas=(booking-svc-1 booking-svc-2 booking-svc-3)
    own_place nginx
    start_services
    start_gateways ws-gateway-1 ws-gateway-2
    start_nginx
    try_nginx
}

nginx= # the program

# Not installed: that would start a server on port 80.
find_nginx() {
    nginx=$(PATH="$PATH:/usr/sbin" command -v nginx) && return
    unpack_package nginx usr/sbin/nginx
    nginx="$state/tools/nginx/usr/sbin/nginx"
    "$nginx" -v 2>/dev/null || die "nginx can not be run. Please install it"
}

gateways=()          # names of children
gateway_addresses=() # of each

# start_gateways NAME...
start_gateways() {
    local index
    gateways=("$@")
    step "starting ${#gateways[@]} gateways"
    for index in "${!gateways[@]}"; do
        pick_port $((28080 + index)) && gateway_addresses[index]="127.0.0.1:$REPLY"
        restart_gateway "$index"
    done
}

# restart_gateway INDEX: with one socket for a client, so that one can see whom it takes for a client.
restart_gateway() {
    local address=${gateway_addresses[$1]}
    start_child "${gateways[$1]}" env TE_GATEWAY_LISTEN="$address" TE_FORWARDED_HOPS=1 \
        TE_CONNECTIONS_PER_ADDRESS_MAX=1 TE_DRAIN=3s "$programs/ws-gateway"
    TE_DEV_GATEWAY="http://$address" await_child "${gateways[$1]}" 60 gateway_ready
}

# restart_replica INDEX: one that has ended, where it was.
restart_replica() {
    start_child "${replicas[$1]}" env TE_LISTEN="${addresses[$1]}" TE_METRICS_LISTEN="${metrics[$1]}" \
        "$programs/booking-svc" serve
    await_child "${replicas[$1]}" 60 is_serving "${addresses[$1]##*:}"
}

addresses=() # of the replicas
metrics=()   # likewise, for Prometheus
nginx_grpc='' nginx_page=''

# The file of compose.yaml with the addresses of this run. What nginx warns of is an error.
start_nginx() {
    local home="$state/nginx" index rules server
    step "starting $("$nginx" -v 2>&1)"
    IFS=, read -ra addresses <<<"${TE_TARGETS//http:\/\//}"
    IFS=, read -ra metrics < <(sed 's#http://##g; s#/metrics##g' <<<"$TE_DEV_METRICS")
    pick_port 27051 && nginx_grpc="127.0.0.1:$REPLY"
    pick_port 27080 && nginx_page="127.0.0.1:$REPLY"
    rules=(-e "s/listen 50051/listen $nginx_grpc/" -e "s/listen 8080/listen $nginx_page/")
    for index in "${!addresses[@]}"; do rules+=(-e "s/booking-svc-$((index + 1)):50051/${addresses[index]}/"); done
    for index in "${!gateways[@]}"; do rules+=(-e "s/ws-gateway-$((index + 1)):8080/${gateway_addresses[index]}/"); done
    mkdir -p "$home"
    sed "${rules[@]}" "$root/deploy/nginx/nginx.conf" >"$home/nginx.conf"
    server=("$nginx" -p "$home/" -c "$home/nginx.conf" -e stderr)
    "${server[@]}" -t >"$log_dir/nginx-t.log" 2>&1 || warn "nginx -t has failed"
    ! grep -v -e 'syntax is ok$' -e 'test is successful$' -e '"listen ... http2" directive is deprecated' \
        "$log_dir/nginx-t.log" || die "nginx does not like its file"
    start_child nginx "${server[@]}" -g 'daemon off;'
    await_child nginx 10 is_serving "${nginx_grpc##*:}"
}

stop_nginx() {
    local name
    for name in check-watch check; do stop_child "$name" TERM 5; done
    for name in "$run_dir"/socket-*.pid; do stop_child "$(basename "$name" .pid)" TERM 5; done
    stop_child nginx TERM 5
    for name in ws-gateway-1 ws-gateway-2; do stop_child "$name" TERM 20; done
    stop_everything
    remove_postgres "$state/postgres"
    rm -rf "$state/redis" "$state/secrets"
}

nginx_exit() {
    trap '' INT TERM HUP EXIT
    if (($1 != 0 && $1 < 128)); then
        show_log nginx
        warn "logs are in $log_dir"
    fi
    stop_nginx
    exit "$1"
}
