//! `booking-svc`: see `booking-svc --help`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use booking_svc::cli::{Cli, Failure};
use tokio::runtime::Runtime;

/// Calls allocate and free small things on all cores: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = Cli::read(std::env::args_os())
        .and_then(|cli| Runtime::new().map_err(Failure::from)?.block_on(cli.run()));
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let line = failure.to_string();
    // Nothing is left to be done where the terminal is gone.
    let _ = if failure.exit_code() == 0 {
        write!(io::stdout(), "{line}")
    } else {
        writeln!(io::stderr(), "booking-svc: {line}")
    };
    ExitCode::from(failure.exit_code())
}
