//! `sluicegate check FILE`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sluicegate_policy::{Overrides, Policy, Source};

use super::start_check::StartCheck;
use super::summary::Summary;
use super::{Outcome, POLICY_FILE};

/// Checks a policy file and shows what it means
///
/// Prints every error with its line and column and what would be right, and exits with 1. Without errors it prints
/// the routes, limits and tiers as the gateway would use them. Settings in the environment count, as when serving.
///
/// Everything that serving needs at its start is looked at: the files of TLS and of API keys, the store's URL and its
/// certificates. With --connect the store is asked, too, and this machine must have the addresses to listen on.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    /// The policy file
    #[arg(value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    file: PathBuf,
    /// Also asks the store, as the gateway does when it starts, and this machine for its addresses
    #[arg(long)]
    connect: bool,
}

impl Check {
    pub(super) fn run(&self) -> Outcome {
        let source = Source::read(&self.file)?.with(Overrides::default().environment());
        let policy = Policy::parse(&source)?;
        let api_keys = StartCheck { source: &source, policy: &policy, connect: self.connect }.run()?;
        let summary = Summary { policy: &policy, api_keys: api_keys.as_ref() };
        let answers = if self.connect { "The store answers.\n" } else { "" };
        write!(io::stdout(), "{} is a good policy.\n{answers}\n{summary}", self.file.display())?;
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  sluicegate check
  sluicegate check --connect policy.toml && systemctl restart sluicegate";
