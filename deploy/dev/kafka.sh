# shellcheck shell=bash
# `test-kafka`: bookings told by a real Apache Kafka. Each test starts the broker that it needs, from Kafka's own jars.
: "${root:?}" "${state:?}"

cmd_test_kafka() {
    make_state
    find_tools
    find_kafka
    export TE_TEST_KAFKA="$kafka_jars"
    cmd_test -p booking-svc --all-features --test it -- kafka:: "$@"
}

# What builds with the feature `kafka` need.
find_kafka_compilers() {
    local missing=()
    have c++ || missing+=(g++)
    have make || missing+=(make)
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
}

kafka_jars= # the directory of Kafka's jars

# Sets kafka_jars. Maven fetches them, and again where another version is wanted.
find_kafka() {
    local missing=() wanted="$root/deploy/dev/kafka/pom.xml"
    kafka_jars="$state/tools/kafka"
    have java || missing+=(default-jre-headless)
    cmp -s "$wanted" "$kafka_jars/pom.xml" || have mvn || missing+=(maven)
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
    ! cmp -s "$wanted" "$kafka_jars/pom.xml" || return 0
    step "fetching Kafka"
    rm -rf "$kafka_jars"
    mvn --batch-mode --quiet --file "$wanted" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$kafka_jars" </dev/null || die "Kafka could not be fetched"
    cp "$wanted" "$kafka_jars/pom.xml"
}
