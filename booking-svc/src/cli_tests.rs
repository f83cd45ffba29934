use super::*;

fn read(line: &str) -> Result<Cli, Failure> {
    Cli::read(line.split_whitespace())
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn a_mistake_is_one_line_and_exit_code_64() {
    let table = [
        ("booking-svc serve --listen nowhere", "invalid value 'nowhere' for '--listen <LISTEN>'"),
        ("booking-svc serve --grace soon", "invalid value 'soon' for '--grace <GRACE>'"),
        ("booking-svc serve --quarantine perhaps", "invalid value 'perhaps' for '--quarantine <QUARANTINE>'"),
        ("booking-svc serve --unknown", "unexpected argument '--unknown' found"),
        ("booking-svc sing", "unrecognized subcommand 'sing'"),
        (
            "booking-svc token mint --sub ann",
            "the following required arguments were not provided: --role <ROLES>",
        ),
        ("booking-svc token mint --sub ann --role king", "invalid value 'king' for '--role <ROLES>'"),
        ("booking-svc event load", "the following required arguments were not provided: <FILE>"),
    ];
    for (line, expected) in table {
        let failure = read(line).unwrap_err();
        assert_eq!(failure.exit_code(), 64, "{line}");
        let text = failure.to_string();
        assert!(text.starts_with(expected) && !text.contains('\n'), "{line}: {text}");
    }
}

#[test]
fn help_is_no_failure() {
    for line in ["booking-svc --help", "booking-svc --version", "booking-svc", "booking-svc serve --help"] {
        let failure = read(line).unwrap_err();
        assert!(matches!(failure, Failure::Shown(_)) && failure.exit_code() == 0, "{line}");
    }
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start() {
    let failure = read("booking-svc serve --auth off --redis-url http://x").unwrap().run().await.unwrap_err();
    assert_eq!(failure.exit_code(), 64);
    let secret = "0123456789abcdef0123456789abcdef";
    let line = format!(
        "booking-svc token mint --sub ann --role admin --jwt-secret {secret} --jwt-issuer i --jwt-audience="
    );
    let failure = read(&line).unwrap().run().await.unwrap_err();
    assert_eq!((failure.exit_code(), &*failure.to_string()), (64, "TE_JWT_AUDIENCE is not set"));
}
