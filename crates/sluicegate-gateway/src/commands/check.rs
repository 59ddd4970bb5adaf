//! `sluicegate check FILE`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sluicegate_policy::{ApiKeys, Overrides, Policy};

use super::summary::Summary;
use super::{Outcome, POLICY_FILE};

/// Checks a policy file and shows what it means
///
/// Prints every error with its line and column and what would be right, and exits with 1. Without errors it prints
/// the routes, limits and tiers as the gateway would use them. Settings in the environment count, as when serving.
/// The file of API keys is checked too, where it is there.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    /// The policy file
    #[arg(value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    file: PathBuf,
}

impl Check {
    pub(super) fn run(&self) -> Outcome {
        let policy = Policy::load(&self.file, Overrides::default().environment())?;
        let api_keys = match &policy.identity.api_keys {
            // A policy is often checked where its keys are not.
            Some(file) if file.exists() => Some(ApiKeys::load_for(file, &policy.tiers)?),
            _ => None,
        };
        let summary = Summary { policy: &policy, api_keys: api_keys.as_ref() };
        write!(io::stdout(), "{} is a good policy.\n\n{summary}", self.file.display())?;
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  sluicegate check
  sluicegate check policy.toml && systemctl restart sluicegate";
