//! `sluicegate key new|list|revoke`.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use sluicegate_policy::{ApiKey, KeyFile, Overrides, Policy, UtcTime};

use super::{Outcome, POLICY_FILE};

/// Makes, lists and revokes API keys
///
/// The file that the policy names, identity.api_keys, holds only hashes. Clients send a key as
/// "x-api-key: KEY" or "Authorization: Bearer KEY".
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum Key {
    /// Makes a key, shows it once, and keeps its hash
    ///
    /// Only the key goes to standard output, so that a script can read it; the rest goes to standard error.
    New {
        /// The customer that owns the key
        #[arg(short, long, value_name = "NAME")]
        tenant: String,
        /// The tier of the key: one of the policy's tiers [default: the default tier]
        #[arg(long, value_name = "TIER")]
        tier: Option<String>,
        #[command(flatten)]
        location: Location,
    },
    /// Lists all keys: id, tenant, tier, and the times when made and revoked
    List {
        #[command(flatten)]
        location: Location,
    },
    /// Revokes a key by its id: requests with it get a 401
    Revoke {
        /// The eight characters after "sg_", as `sluicegate key list` shows them
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        location: Location,
    },
}

/// The place of the key file.
#[derive(Args, Debug)]
pub(super) struct Location {
    /// The file of keys [default: the policy's identity.api_keys]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The policy file that names the file of keys [default: sluicegate.toml, if it exists]
    #[arg(short, long, value_name = "FILE", env = "SLUICEGATE_CONFIG")]
    config: Option<PathBuf>,
}

impl Key {
    pub(super) fn run(&self) -> Outcome {
        match self {
            Self::New { tenant, tier, location } => new(tenant, tier.as_deref(), location),
            Self::List { location } => list(location),
            Self::Revoke { id, location } => revoke(id, location),
        }
    }
}

fn new(tenant: &str, tier: Option<&str>, location: &Location) -> Outcome {
    let policy = location.policy()?;
    if let (Some(policy), Some(tier)) = (&policy, tier) {
        known(policy, tier)?;
    }
    let path = location.path(policy.as_ref())?;
    let secret = KeyFile::at(&path).add(tenant, tier, UtcTime::from(SystemTime::now()))?;
    writeln!(io::stdout(), "{}", secret.as_str())?;
    writeln!(
        io::stderr(),
        "Key {} for {tenant} is in {}, as a hash. The key itself is shown this once.",
        secret.id(),
        path.display()
    )?;
    Ok(())
}

fn list(location: &Location) -> Outcome {
    let keys = KeyFile::at(location.path(location.policy()?.as_ref())?).list()?;
    let width = |heading: &str, text: fn(&ApiKey) -> &str| {
        keys.iter().map(|key| text(key).chars().count()).fold(heading.len(), usize::max)
    };
    let tier_of = |key: &ApiKey| -> String { key.tier.clone().unwrap_or_else(|| DEFAULT.to_owned()) };
    let tenant = width("TENANT", |key| &key.tenant);
    let tier = width("TIER", |key| key.tier.as_deref().unwrap_or(DEFAULT));
    let mut out = io::stdout().lock();
    writeln!(out, "{:8}  {:tenant$}  {:tier$}  {:20}  REVOKED", "ID", "TENANT", "TIER", "CREATED")?;
    for key in &keys {
        let revoked = key.revoked.map(|when| when.to_string()).unwrap_or_default();
        let line = format!(
            "{:8}  {:tenant$}  {:tier$}  {:20}  {revoked}",
            key.id,
            key.tenant,
            tier_of(key),
            key.created.to_string()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn revoke(id: &str, location: &Location) -> Outcome {
    let path = location.path(location.policy()?.as_ref())?;
    let key = KeyFile::at(&path).revoke(id, UtcTime::from(SystemTime::now()))?;
    writeln!(io::stdout(), "Key {} of {} is revoked.", key.id, key.tenant)?;
    Ok(())
}

impl Location {
    /// The policy that was named, or the one that is here; with a file of keys alone, there need be none.
    fn policy(&self) -> Result<Option<Policy>, Box<dyn Error>> {
        let file = match &self.config {
            Some(file) => file,
            None if Path::new(POLICY_FILE).exists() => Path::new(POLICY_FILE),
            None => return Ok(None),
        };
        Ok(Some(Policy::load(file, Overrides::default().environment())?))
    }

    fn path(&self, policy: Option<&Policy>) -> Result<PathBuf, Box<dyn Error>> {
        let named = policy.and_then(|policy| policy.identity.api_keys.clone());
        Ok(self.file.clone().or(named).ok_or(NO_FILE)?)
    }
}

/// The gateway refuses a file with a key of a tier that the policy has not, so none is made.
fn known(policy: &Policy, tier: &str) -> Outcome {
    if policy.tiers.are_named() && policy.tiers.find(tier).is_some() {
        return Ok(());
    }
    let names: Vec<_> = policy.tiers.as_slice().iter().map(sluicegate_policy::Tier::name).collect();
    Err(if policy.tiers.are_named() {
        format!("the policy has no tier `{tier}`\n  help: its tiers are {}", names.join(", "))
    } else {
        format!("the policy has no tiers\n  help: add [tiers.{tier}], or leave --tier out")
    }
    .into())
}

/// The tier shown for a key without one.
const DEFAULT: &str = "default";

const NO_FILE: &str = "\
no file of keys
  help: name one with --file keys.toml, or in the policy: [identity] api_keys = \"keys.toml\"";

const EXAMPLES: &str = "\
Examples:
  sluicegate key new --tenant acme --tier premium
  sluicegate key new --tenant acme --file keys.toml
  sluicegate key list
  sluicegate key revoke 3k9x0a7q";
