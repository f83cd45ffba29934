//! `ws-gateway`: see `ws-gateway --help`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tokio::runtime::Runtime;
use ws_gateway::cli::{Cli, Failure};

fn main() -> ExitCode {
    let result = Cli::read(std::env::args_os())
        .and_then(|cli| Runtime::new().map_err(Failure::from)?.block_on(cli.run()));
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let line = failure.to_string();
    // Nothing is left to be done where the terminal is gone.
    let _ = if failure.exit_code() == 0 {
        write!(io::stdout(), "{line}")
    } else {
        writeln!(io::stderr(), "ws-gateway: {line}")
    };
    ExitCode::from(failure.exit_code())
}
