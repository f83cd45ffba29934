use clap::{CommandFactory, FromArgMatches, Parser};

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ServeArgs,
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A command line that works; later options replace earlier ones of the same name.
fn config(changes: &[(&str, &str)]) -> Result<Config, Error> {
    let mut options = vec![
        ("--redis-url", "redis://:hunter2@127.0.0.1:1"),
        ("--database-url", "postgres://te:hunter2@127.0.0.1:1/te"),
        ("--token-secret", SECRET),
        ("--jwt-secret", SECRET),
        ("--jwt-issuer", "issuer"),
        ("--jwt-audience", "audience"),
    ];
    for (name, value) in changes {
        options.retain(|(present, _)| present != name);
        options.push((name, value));
    }
    let options = options.iter().flat_map(|(name, value)| [*name, *value]);
    // Not the environment of whoever runs the tests.
    let command = Command::command().mut_args(|arg| arg.env(None::<&str>));
    let matches = command.try_get_matches_from(std::iter::once("serve").chain(options)).unwrap();
    Command::from_arg_matches(&matches).unwrap().args.try_into()
}

fn wrong_with(changes: &[(&str, &str)]) -> String {
    config(changes).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_the_limits() {
    let config = config(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.engine.decision_wait, limits::DECISION_WAIT_DEFAULT);
    assert_eq!(config.engine.confirm_window, limits::CONFIRM_WINDOW_DEFAULT);
    assert_eq!(config.engine.tombstone_ttl, limits::TOMBSTONE_TTL_DEFAULT);
    assert_eq!(config.engine.sweep_every, Some(limits::SWEEP_EVERY_DEFAULT));
    assert_eq!(config.engine.reconcile_every, Some(limits::RECONCILE_EVERY_DEFAULT));
    assert_eq!(config.engine.watchers_max, limits::WATCHERS_MAX_DEFAULT);
    assert_eq!(config.grpc.grace, limits::GRACE_DEFAULT);
    assert_eq!(config.grpc.connections_max, limits::CLIENT_CONNECTIONS_MAX_DEFAULT);
    let wait = gate::Wait { replicas: 0, timeout: limits::REPLICAS_WAIT_DEFAULT };
    assert_eq!((config.stores.redis_wait, config.stores.redis_failover_lag), (wait, Duration::ZERO));
    assert!(config.engine.quarantine && !config.stores.allow_unsafe_durability);
    assert!(config.grpc.tls.is_none() && config.grpc.connection_age_max.is_none());
}

#[test]
fn a_wrong_setting_is_named() {
    let table: [(&[(&str, &str)], &str); 32] = [
        (&[("--redis-url", "")], "TE_REDIS_URL is not set"),
        (&[("--redis-url", "http://x")], "TE_REDIS_URL must begin with redis://"),
        (&[("--redis-url", "redis-cluster://x")], "TE_REDIS_URL is wrong: each host needs its port"),
        (
            &[("--redis-url", "redlock://a:1,b:1")],
            "TE_REDIS_URL is wrong: it has to name three, five or seven",
        ),
        (
            &[("--redis-url", "redlock://a:1,b:1,c:1"), ("--redis-wait-replicas", "1")],
            "TE_REDIS_WAIT_REPLICAS must be 0 with redlock://",
        ),
        (&[("--redis-wait-replicas", "17")], "TE_REDIS_WAIT_REPLICAS must be at most 16"),
        (&[("--redis-wait-timeout", "0ms")], "TE_REDIS_WAIT_TIMEOUT must be between 1ms and 400ms"),
        (&[("--redis-wait-timeout", "401ms")], "TE_REDIS_WAIT_TIMEOUT must be between 1ms and 400ms"),
        (&[("--redis-failover-lag", "1h")], "TE_REDIS_FAILOVER_LAG must be at most 600s"),
        (&[("--database-url", "")], "TE_DATABASE_URL is not set"),
        (&[("--token-secret", "")], "TE_TOKEN_SECRET is not set"),
        (&[("--token-secret", "short")], "TE_TOKEN_SECRET is too short: a secret has at least 32 bytes"),
        (&[("--token-secret", &format!("{SECRET},"))], "TE_TOKEN_SECRET is too short"),
        (&[("--jwt-secret", "short")], "TE_JWT_SECRET is too short"),
        (&[("--jwt-secret", "")], "TE_JWT_SECRET or TE_JWKS_FILE must be set"),
        (&[("--jwt-issuer", "")], "TE_JWT_ISSUER is not set"),
        (&[("--jwt-audience", "")], "TE_JWT_AUDIENCE is not set"),
        (&[("--jwks-file", "/nowhere/jwks.json")], "TE_JWKS_FILE /nowhere/jwks.json: No such file"),
        (&[("--key-prefix", "a{b}")], "TE_KEY_PREFIX must be"),
        (&[("--redis-connections", "0")], "TE_REDIS_CONNECTIONS must be between 1 and 1000"),
        (&[("--calls-max", "0")], "TE_CALLS_MAX must be at least 1"),
        (&[("--connections-max", "0")], "TE_CONNECTIONS_MAX must be at least 1"),
        (&[("--decision-wait", "5s")], "TE_DECISION_WAIT must be"),
        (&[("--confirm-window", "800ms")], "TE_CONFIRM_WINDOW must be more than TE_DECISION_WAIT"),
        (&[("--sweep-every", "1s")], "TE_SWEEP_EVERY must be less than 1s"),
        (&[("--log", "booking_svc=loud")], "TE_LOG"),
        (&[("--trace-ratio", "1.1")], "TE_TRACE_RATIO must be between 0 and 1"),
        (&[("--otlp-endpoint", "collector:4317")], "TE_OTLP_ENDPOINT must be a URL"),
        (&[("--otlp-endpoint", "http://collector")], "TE_OTLP_ENDPOINT must be a URL"),
        (&[("--tls-cert", "/nowhere/cert.pem")], "TE_TLS_KEY must be set together with TE_TLS_CERT"),
        (&[("--tls-client-ca", "/nowhere/ca.pem")], "TE_TLS_CERT must be set for TLS"),
        (
            &[("--tls-cert", "/dev/null"), ("--tls-key", "/dev/null")],
            "TE_TLS_CERT, TE_TLS_KEY or TE_TLS_CLIENT_CA",
        ),
    ];
    for (changes, expected) in table {
        let line = wrong_with(changes);
        assert!(line.starts_with(expected), "{changes:?}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn authentication_is_off_only_when_told_so() {
    let off = [("--auth", "off"), ("--jwt-secret", ""), ("--jwt-issuer", ""), ("--jwt-audience", "")];
    assert!(matches!(*config(&off).unwrap().auth, Auth::Off));
    assert!(matches!(*config(&[]).unwrap().auth, Auth::Jwt(_)));
}

#[test]
fn where_redis_may_fail_over_an_old_primary_is_waited_for() {
    let lag = |changes: &[(&str, &str)]| config(changes).unwrap().stores.redis_failover_lag;
    let cluster = ("--redis-url", "redis-cluster://127.0.0.1:1");
    assert_eq!(lag(&[cluster]), Duration::from_secs(15));
    assert_eq!(lag(&[cluster, ("--redis-failover-lag", "0s")]), Duration::ZERO);
    assert_eq!(lag(&[("--redis-failover-lag", "5s")]), Duration::from_secs(5));
}

#[test]
fn secrets_are_not_shown() {
    let config = config(&[("--token-secret", &format!("{SECRET}, {SECRET}"))]).unwrap();
    assert_eq!(config.engine.token_secrets.len(), 2);
    let text = format!("{config:?}");
    assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
    let short = wrong_with(&[("--token-secret", "hunter2")]);
    assert!(!short.contains("hunter2"), "{short}");
}

#[cfg(not(feature = "kafka"))]
#[test]
fn kafka_needs_a_build_with_it() {
    let problem = wrong_with(&[("--kafka-brokers", "127.0.0.1:9092")]);
    assert!(
        problem.starts_with("TE_KAFKA_BROKERS is set, but this program was built without Kafka"),
        "{problem}"
    );
    assert!(config(&[("--kafka-brokers", " ")]).unwrap().kafka.is_none(), "an empty text is none");
}

#[cfg(feature = "kafka")]
#[test]
fn options_of_kafka_are_read_and_wrong_ones_are_named() {
    let with = |options| config(&[("--kafka-brokers", "127.0.0.1:1"), ("--kafka-options", options)]);
    let kafka = with("sasl.username=te\nsasl.password=a=b").unwrap().kafka.unwrap();
    assert_eq!(kafka.topic, "ticketengine.bookings");
    let options: Vec<_> = kafka.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(options, [("sasl.username", "te"), ("sasl.password", "a=b")]);
    assert!(!format!("{kafka:?}").contains("a=b"), "a password is not shown");
    for (options, problem) in [
        ("acks", "TE_KAFKA_OPTIONS must be name=value"),
        ("acks=1", "TE_KAFKA_OPTIONS can not be: acks is fixed"),
        ("no.such=1", "TE_KAFKA_OPTIONS can not be: "),
    ] {
        let error = with(options).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    let topic = wrong_with(&[("--kafka-brokers", "127.0.0.1:1"), ("--kafka-topic", "a b")]);
    assert!(topic.starts_with("TE_KAFKA_TOPIC must be"), "{topic}");
}

#[cfg(feature = "kafka")]
#[test]
fn seats_are_told_of_where_a_topic_of_their_own_is_named() {
    let brokers = ("--kafka-brokers", "127.0.0.1:1");
    let seats = |topic| config(&[brokers, ("--kafka-seats-topic", topic)]).unwrap().kafka.unwrap().seats;
    assert!(seats("").is_none() && config(&[brokers]).unwrap().kafka.unwrap().seats.is_none());
    let (named, five_minutes) = (seats("te.seats").unwrap(), Duration::from_secs(300));
    assert_eq!((named.topic.as_str(), named.snapshot_every), ("te.seats", five_minutes));
    for (settings, problem) in [
        (&[("--kafka-seats-topic", "te.seats")][..], "TE_KAFKA_SEATS_TOPIC is set, but TE_KAFKA_BROKERS is"),
        (&[brokers, ("--kafka-seats-topic", "a b")], "TE_KAFKA_SEATS_TOPIC must be 1 to 249"),
        (
            &[brokers, ("--kafka-seats-topic", "ticketengine.bookings")],
            "TE_KAFKA_SEATS_TOPIC must be another",
        ),
        (
            &[brokers, ("--kafka-seats-topic", "s"), ("--kafka-seats-snapshot-every", "999ms")],
            "TE_KAFKA_SEATS_SNAPSHOT_EVERY must be at least 1s",
        ),
    ] {
        let error = wrong_with(settings);
        assert!(error.starts_with(problem), "{error}");
    }
}
