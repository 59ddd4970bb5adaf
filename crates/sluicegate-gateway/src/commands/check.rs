//! `sluicegate check FILE`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sluicegate_policy::{Diagnostics, Overrides, Policy, Source};

use super::findings::Findings;
use super::start_check::StartCheck;
use super::summary::Summary;
use super::{Outcome, POLICY_FILE};

/// Checks a policy file and shows its meaning
///
/// Prints every error with its line, its column and the remedy, and exits with 1. Without errors, it prints the
/// routes, limits and tiers as the gateway would use them. Settings in the environment count, as when serving.
///
/// It warns of settings that are valid but probably not intended: those that limit nothing, such as a path in another
/// program's template syntax, and dangerous ones. Warnings go to standard error and do not change the exit code.
///
/// It examines everything that serving needs at its start: the files of TLS and of API keys, the store's URL and its
/// certificates. With --connect, it also connects to the store, and tries to bind the addresses to listen on.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    /// The policy file
    #[arg(value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    file: PathBuf,
    /// Also connects to the store, as the gateway does when it starts, and tries to bind the addresses
    #[arg(long)]
    connect: bool,
    /// Turns warnings into errors: the exit code is 1
    #[arg(long)]
    strict: bool,
    /// Prints errors and warnings as one JSON object, and nothing else
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self) -> Outcome {
        let source = Source::read(&self.file).map(|source| source.with(Overrides::default().environment()));
        let checked = source.and_then(|source| {
            let policy = Policy::parse(&source)?;
            let keys = StartCheck { source: &source, policy: &policy, connect: self.connect }.run();
            Ok((policy, keys))
        });
        let (policy, api_keys, errors) = match checked {
            Err(errors) => (None, None, errors),
            Ok((policy, Ok(api_keys))) => (Some(policy), api_keys, Diagnostics::default()),
            Ok((policy, Err(errors))) => (Some(policy), None, errors),
        };
        let warnings = policy.as_ref().map(|policy| policy.warnings.clone()).unwrap_or_default();
        let number = warnings.as_slice().len();
        let findings = if self.strict {
            Findings { errors: errors.and(warnings), warnings: Diagnostics::default() }
        } else {
            Findings { errors, warnings }
        };
        if self.json {
            return findings.print_json(&self.file);
        }
        findings.print()?;
        let Some(policy) = &policy else { return Ok(()) };
        let with = match number {
            0 => String::new(),
            1 => ", with 1 warning".to_owned(),
            more => format!(", with {more} warnings"),
        };
        let answers = if self.connect { "The store answers.\n" } else { "" };
        let summary = Summary { policy, api_keys: api_keys.as_ref() };
        write!(io::stdout(), "{} is a good policy{with}.\n{answers}\n{summary}", self.file.display())?;
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  sluicegate check
  sluicegate check --strict --json policy.toml
  sluicegate check --connect policy.toml && systemctl restart sluicegate";
