//! `sluicegate check FILE`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sluicegate::StoreError;
use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{ApiKeys, Overrides, Policy, Source, StoreSettings};
use sluicegate_stores::AnyStore;

use super::summary::Summary;
use super::{Outcome, POLICY_FILE};

/// Checks a policy file and shows what it means
///
/// Prints every error with its line and column and what would be right, and exits with 1. Without errors it prints
/// the routes, limits and tiers as the gateway would use them. Settings in the environment count, as when serving.
/// The files of TLS are read, as when serving; the file of API keys is checked where it is there. A store elsewhere is asked only with --connect.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    /// The policy file
    #[arg(value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    file: PathBuf,
    /// Also asks the store, as the gateway does when it starts
    #[arg(long)]
    connect: bool,
}

impl Check {
    pub(super) fn run(&self) -> Outcome {
        let source = Source::read(&self.file)?.with(Overrides::default().environment());
        let policy = Policy::parse(&source)?;
        wrong_tls_files(&source, &policy)?;
        let api_keys = match &policy.identity.api_keys {
            // A policy is often checked where its keys are not.
            Some(file) if file.exists() => Some(ApiKeys::load_for(file, &policy.tiers)?),
            _ => None,
        };
        AnyStore::understand(&policy.store).map_err(unusable)?;
        if self.connect {
            connect(&policy.store)?;
        }
        let summary = Summary { policy: &policy, api_keys: api_keys.as_ref() };
        let answers = if self.connect { "The store answers.\n" } else { "" };
        write!(io::stdout(), "{} is a good policy.\n{answers}\n{summary}", self.file.display())?;
        Ok(())
    }
}

fn wrong_tls_files(source: &Source, policy: &Policy) -> Outcome {
    let wrong = Gateway::wrong_tls_files(&policy.gateway);
    let wrong = wrong.iter().map(|error| source.wrong_file(error.file(), error.to_string()).to_string());
    match wrong.collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        wrong => Err(wrong.join("\n").into()),
    }
}

/// Opens the store, asks it once and leaves it.
fn connect(settings: &StoreSettings) -> Outcome {
    let store = AnyStore::open(settings, |_| ()).map_err(unusable)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(store.check()).map_err(|error| match error.is_misconfiguration() {
        true => unusable(error),
        false => format!("the store does not answer: {error}"),
    })?;
    Ok(())
}

fn unusable(error: StoreError) -> String {
    StartError::Store(error).to_string()
}

const EXAMPLES: &str = "\
Examples:
  sluicegate check
  sluicegate check --connect policy.toml && systemctl restart sluicegate";
