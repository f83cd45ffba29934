# shellcheck shell=bash
# `tools`: k6, ghz, grpcurl, and what the chart is checked with, built by Go into .dev/tools/bin.
: "${root:?}" "${state:?}"

# Name, module, version, and the package within the module.
go_tools=(
    "k6 go.k6.io/k6 v1.8.1 ."
    "ghz github.com/bojand/ghz v0.121.0 ./cmd/ghz"
    "grpcurl github.com/fullstorydev/grpcurl v1.9.4 ./cmd/grpcurl"
)
# The same for `test-chart`.
chart_go_tools=(
    "helm helm.sh/helm/v4 v4.3.2 ./cmd/helm"
    "kubeconform github.com/yannh/kubeconform v0.8.0 ./cmd/kubeconform"
    "helm-docs github.com/norwoodj/helm-docs v1.14.2 ./cmd/helm-docs"
)

cmd_tools() {
    (($# == 0)) || die "tools takes no arguments"
    make_state
    find_go || die "Go is missing, and the tools are built with it. Get 1.26 or newer from https://go.dev/dl"
    install_go_tools "${go_tools[@]}" "${chart_go_tools[@]}"
    say "k6, ghz, grpcurl, helm, kubeconform and helm-docs are in $state/tools/bin"
}

# Fails where there is no Go, or one that is too old to fetch a newer one by itself.
find_go() {
    local version
    have go || PATH="$PATH:/usr/local/go/bin"
    have go || return 1
    version=$(go env GOVERSION) || return 1
    [[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21))
}

# install_go_tools [TOOL...]: builds what is not there in its version; without arguments those of go_tools. Takes some
# minutes the first time; others on this machine go first.
install_go_tools() {
    local tool name module version package
    (($# > 0)) || set -- "${go_tools[@]}"
    for tool in "$@"; do
        read -r name module version package <<<"$tool"
        ! built_from "$name" "$module" "$version" || continue
        step "building $name $version"
        GOBIN="$state/tools/bin" CGO_ENABLED=0 nice go install -trimpath -ldflags='-s -w' \
            "$module${package#.}@$version" 9>&- || die "go install failed"
    done
}

# built_from NAME MODULE VERSION: Go writes into a program what it was built from.
built_from() {
    local program="$state/tools/bin/$1"
    [[ -x $program ]] && go version -m "$program" 2>/dev/null | grep -qF $'\tmod\t'"$2"$'\t'"$3"$'\t'
}
