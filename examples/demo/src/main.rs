//! `cargo run --release -p demo`: starts the model and the gateway, and prints what to try.

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

use demo::guide::Guide;
use demo::model::Models;
use demo::{Addresses, Demo, policy_file};
use sluicegate_gateway::log;
use sluicegate_policy::{LogFormat, Source};
use tokio::{signal, task, time::Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    log::init(LogFormat::Pretty);
    let models = Arc::new(Models::default());
    let source = Source::read(&policy_file())?;
    let demo = Demo::start(source, Addresses::usual().await, Arc::clone(&models)).await?;
    let mut out = io::stdout();
    write!(out, "{}", Guide(demo.addresses()))?;

    let start = Instant::now();
    let mut training = task::spawn_blocking(move || models.train());
    tokio::select! {
        trained = &mut training => {
            trained??;
            writeln!(out, "\nThe models are trained, in {:.1?}: the limits grow to their full size.\n", start.elapsed())?;
            signal::ctrl_c().await?;
        }
        interrupted = signal::ctrl_c() => interrupted?,
    }
    writeln!(out, "\nDraining: running requests may finish.")?;
    demo.drain().await;
    Ok(())
}
