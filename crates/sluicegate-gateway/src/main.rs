//! The `sluicegate` command.

mod commands;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let Err(error) = commands::Cli::parse().run() else { return ExitCode::SUCCESS };
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        // The reader of the output has seen enough of it, as in `sluicegate schema | head`.
        return ExitCode::SUCCESS;
    }
    if error.is::<commands::AlreadyTold>() {
        return ExitCode::FAILURE;
    }
    // Where standard error is closed, the exit code is all that can still be told.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}
