# shellcheck shell=bash
# `test-chart`: the Helm chart is rendered with each file of values, held against the schemas of several versions of
# Kubernetes and against what has to be true; then what it would run is run.
: "${root:?}" "${state:?}" "${programs:?}"

# The oldest that the chart takes, the first that can sleep before a stop, and two that are in use.
kubernetes_versions=(1.27 1.30 1.34 1.37)
# Where schemas come from: kubernetes-validate has those of Kubernetes, the modules have those of routes and monitors.
chart_packages=(kubernetes-validate==1.37.0 PyYAML==6.0.3 pytest==9.2.0)
gateway_api=sigs.k8s.io/gateway-api@v1.5.1
prometheus_operator=github.com/prometheus-operator/prometheus-operator@v0.85.0

# cmd_test_chart [--write]: writes helm/README.md first.
cmd_test_chart() {
    (($# == 0)) || [[ $# == 1 && $1 == --write ]] || die "usage: ./dev test-chart [--write]"
    make_state
    if ! find_go; then
        say "SKIPPED: helm and kubeconform are built with Go, and there is none here, or an old one (https://go.dev/dl)"
        return
    fi
    exec 9>>"$state/chart.lock"
    flock -n 9 || die "another ./dev test-chart is running here"
    install_go_tools "${chart_go_tools[@]}"
    PATH="$state/tools/bin:$PATH"
    chart_readme "$@"
    find_chart_python
    make_chart_schemas
    validate_chart
    find_tools
    build
    test_chart
}

# The README of values is made of the comments in values.yaml.
chart_readme() {
    local chart="$root/helm" made
    made=$(helm-docs --chart-search-root "$chart" --sort-values-order file --log-level warning --dry-run)
    [[ $made == *"| Description |"* ]] || die "helm-docs made no table of values"
    if grep '|  |$' <<<"$made"; then die "these values have no comment in helm/values.yaml"; fi
    if [[ ${1:-} == --write ]]; then say "$made" >"$chart/README.md"; fi
    diff --unified "$chart/README.md" <(say "$made") || die "helm/README.md is out of date: ./dev test-chart --write"
}

# Sets chart_python: one with the packages above.
find_chart_python() {
    local home="$state/tools/chart"
    chart_python="$home/bin/python"
    [[ $(cat "$home/packages" 2>/dev/null) != "${chart_packages[*]}" ]] || return 0
    step "installing: ${chart_packages[*]}"
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check "${chart_packages[@]}" || die "pip install failed"
    say "${chart_packages[*]}" >"$home/packages"
}

# module_dir MODULE@VERSION: where its files are. They are data: it does not matter which Go they want.
module_dir() {
    local report
    report=$(go mod download -json "$1") || die "go mod download $1 failed"
    sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p' <<<"$report"
}

make_chart_schemas() {
    local routes monitors
    routes=$(module_dir "$gateway_api") && monitors=$(module_dir "$prometheus_operator") || exit 1
    routes+=/config/crd/standard
    monitors+=/example/prometheus-operator-crd
    "$chart_python" "$root/deploy/chart-tests/schemas.py" "$state/chart/schemas" "${kubernetes_versions[*]}" \
        "$routes"/gateway.networking.k8s.io_{httproutes,grpcroutes}.yaml \
        "$monitors"/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml
}

# Each file of values against each version, with no field that Kubernetes does not know.
validate_chart() {
    local values version rendered="$state/chart/rendered.yaml" schemas="$state/chart/schemas"
    for values in "$root"/deploy/chart-tests/values/*.yaml "$root"/helm/examples/*.yaml; do
        step "helm lint, helm template and kubeconform: ${values##*/}"
        helm lint --strict --quiet --values "$values" "$root/helm" || die "helm lint: see above"
        for version in "${kubernetes_versions[@]}"; do
            helm template tickets "$root/helm" --values "$values" --kube-version "$version" >"$rendered" || die "helm template failed"
            kubeconform -strict -kubernetes-version "$version.0" \
                -schema-location "$schemas/{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json" \
                -schema-location "$schemas/crds/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" \
                "$rendered" || die "kubeconform, Kubernetes $version: see above"
        done
    done
}

test_chart() {
    TE_REDIS_SERVER=$redis_server TE_PG_BIN=$pg_bin TE_PROGRAMS="$programs" PYTHONDONTWRITEBYTECODE=1 \
        timeout 300 "$chart_python" -m pytest --quiet -p no:cacheprovider "$root/deploy/chart-tests" 9>&- || exit 1
}
