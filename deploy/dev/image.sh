# shellcheck shell=bash
# `image`: the images of both programs, by the engine that is here.
: "${root:?}" "${state:?}"

# cmd_image [ARGS...]: ARGS go to the build, such as --build-arg BUILDER_IMAGE=...
cmd_image() {
    local engine program version revision
    make_state
    find_engine
    version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    revision=$(git -C "$root" rev-parse HEAD 2>/dev/null) || revision=
    for program in booking-svc ws-gateway; do
        step "building the image localhost/ticketengine/$program:$version by ${engine[0]}"
        "${engine[@]}" --file "$root/deploy/Dockerfile" --target "$program" --tag "localhost/ticketengine/$program:$version" \
            --build-arg TE_BUILD_REVISION="$revision" "$@" "$root" || die "the build failed"
    done
}

# Sets engine: how it builds. Only Docker's format has health checks; its own engine needs no word for that.
find_engine() {
    if have docker && docker info >/dev/null 2>&1; then
        engine=(docker build)
    elif have podman; then
        engine=(podman build --format docker)
    elif have buildah; then
        engine=(buildah build --format docker)
    else
        die "images are built by docker, podman or buildah, and there is none here"
    fi
}
