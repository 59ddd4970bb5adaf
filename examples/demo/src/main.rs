//! `cargo run --release -p demo`: starts the model and the gateway, and prints what to try.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use demo::guide::Guide;
use demo::model::Models;
use demo::{Addresses, Demo, policy_file};
use sluicegate_gateway::log;
use sluicegate_policy::{LogFormat, Source};
use tokio::signal::unix::{SignalKind, signal};
use tokio::{task, time::Instant};

/// Serves the policy file that is the only argument, or the demo's own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::init(LogFormat::Pretty);
    let policy = std::env::args_os().nth(1).map_or_else(policy_file, PathBuf::from);
    let Err(error) = run(policy).await else { return ExitCode::SUCCESS };
    // Where standard error is closed, the exit code is all that can still be told.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}

async fn run(policy: PathBuf) -> Result<(), Box<dyn Error>> {
    // Before anything serves, so that no signal is met by the default of dying at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let models = Arc::new(Models::default());
    let source = Source::read(&policy)?;
    let demo = Demo::start(source, Addresses::usual().await, Arc::clone(&models)).await?;
    let mut out = io::stdout();
    write!(out, "{}", Guide(demo.addresses()))?;

    let start = Instant::now();
    let mut training = task::spawn_blocking(move || models.train());
    tokio::select! {
        trained = &mut training => {
            trained?;
            writeln!(out, "\nThe models are trained, in {:.1?}: the limits grow to their full size.\n", start.elapsed())?;
            stop().await;
        }
        () = stop() => {}
    }
    writeln!(out, "\nDraining: running requests may finish. A second signal stops at once.")?;
    tokio::select! {
        _ = demo.drain() => {}
        () = stop() => {}
    }
    // Training cannot be stopped, and whoever wants to leave does not wait for it.
    std::process::exit(0)
}
