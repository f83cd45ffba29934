use clap::{CommandFactory, FromArgMatches, Parser};

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: GatewayArgs,
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A command line that works; later options replace earlier ones of the same name.
fn config(changes: &[(&str, &str)]) -> Result<Config, Error> {
    let mut options = vec![("--targets", "http://127.0.0.1:1, http://booking:50051")];
    for (name, value) in changes {
        options.retain(|(present, _)| present != name);
        options.push((name, value));
    }
    let options = options.iter().flat_map(|(name, value)| [*name, *value]);
    // Not the environment of whoever runs the tests.
    let command = Command::command().mut_args(|arg| arg.env(None::<&str>));
    let matches = command.try_get_matches_from(std::iter::once("gateway").chain(options)).unwrap();
    Command::from_arg_matches(&matches).unwrap().args.try_into()
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let config = config(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.targets.urls.len(), 2);
    let bounds = Bounds { sockets_max: 20_000, sockets_per_address_max: 1_000, peers_are_clients: true };
    assert_eq!(config.http.bounds, bounds);
    assert!(config.http.demo.is_none());
    let times = [config.tick, config.heartbeat, config.stall_max, config.drain];
    assert_eq!(times.map(|time| time.as_millis()), [50, 15_000, 120_000, 10_000]);
}

#[test]
fn a_wrong_setting_is_named() {
    let demo = ("--demo-jwt-secret", SECRET);
    let table: [(&[(&str, &str)], &str); 16] = [
        (&[("--targets", "")], "TE_TARGETS is not set"),
        (&[("--targets", "booking:50051")], "TE_TARGETS must be a list of URLs"),
        (&[("--targets", "https://booking:50051")], "TE_TARGETS_CA must be set for https targets"),
        (&[("--targets-ca", "/nowhere/ca.pem")], "TE_TARGETS_CA /nowhere/ca.pem: No such file"),
        (
            &[("--targets", "https://booking:50051"), ("--targets-ca", "/dev/null")],
            "TE_TARGETS_CA has no certificate (PEM)",
        ),
        (&[("--allowed-origins", "tickets.example")], "TE_ALLOWED_ORIGINS must be"),
        (&[("--connections-max", "0")], "TE_CONNECTIONS_MAX must be between 1 and 1000000"),
        (&[("--connections-per-address-max", "0")], "TE_CONNECTIONS_PER_ADDRESS_MAX must be at least 1"),
        (&[("--forwarded-hops", "11")], "TE_FORWARDED_HOPS must be at most 10"),
        (&[("--tick", "1ms")], "TE_TICK must be between 10ms and 1s"),
        (&[("--heartbeat", "2m")], "TE_HEARTBEAT must be between 100ms and 1m"),
        (&[("--stall-max", "0s")], "TE_STALL_MAX must be between"),
        (&[("--drain", "1h")], "TE_DRAIN must be between 0s and 5m"),
        (&[("--demo-jwt-secret", "hunter2")], "TE_DEMO_JWT_SECRET is too short"),
        (&[demo, ("--jwt-audience", "a")], "TE_JWT_ISSUER is not set"),
        (&[("--log", "ws_gateway=loud")], "TE_LOG"),
    ];
    for (changes, expected) in table {
        let line = config(changes).unwrap_err().to_string();
        assert!(line.starts_with(expected), "{changes:?}: {line}");
        assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let demo = [("--demo-jwt-secret", SECRET), ("--jwt-issuer", "i"), ("--jwt-audience", "a")];
    let config = config(&demo).unwrap();
    assert!(config.http.demo.is_some());
    let text = format!("{config:?}");
    assert!(!text.contains(SECRET), "{text}");
}
