//! A policy whose values the answers replace.

use std::ops::Range;

use sluicegate::{Quota, Unit};
use sluicegate_policy::{Policy, Source, Upstream};
use toml::{
    Value,
    de::{DeTable, DeValue},
};

/// The text of a policy. Answers replace single values in it, so that comments and layout survive.
///
/// The quotas of each client are those of the limits that are named after their unit: `[limits.requests]`,
/// `[limits.tokens]`, `[limits.items]`.
pub(super) struct Template {
    text: String,
}

impl Template {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let template = Self { text: text.to_owned() };
        template.policy().map(|_| template)
    }

    /// The text as it is now, which is a good policy.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The server's address.
    pub(super) fn upstream(&self) -> Result<String, String> {
        let upstreams = self.policy()?.gateway.upstreams;
        Ok(upstreams.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    /// The quotas of each client, as a person writes a list of them.
    pub(super) fn quotas(&self) -> Result<String, String> {
        let policy = self.policy()?;
        let quotas = CLIENTS.iter().filter_map(|unit| {
            let limit = policy.find_limit(unit.as_str())?;
            Some(policy.limit(limit).quota(policy.tiers.default_tier()).to_string())
        });
        Ok(quotas.collect::<Vec<_>>().join(", "))
    }

    /// The path that is 2xx when the server is ready, if limits are smaller until then.
    pub(super) fn warmup_path(&self) -> Result<Option<String>, String> {
        Ok(self.policy()?.warmup.map(|warmup| warmup.path().to_owned()))
    }

    /// Puts the server's address in its place. A server behind `https` is sent the host of its URL, as it may be found by
    /// that name alone.
    pub(super) fn set_upstream(&mut self, upstream: &Upstream) -> Result<(), String> {
        let url = Value::from(upstream.to_string());
        let written = if upstream.is_tls() {
            format!("{{ url = {url}, host = \"upstream\" }}")
        } else {
            url.to_string()
        };
        self.replace(&["gateway", "upstream"], &written)
    }

    /// Puts the quotas in the places of those in the same unit; all or none.
    pub(super) fn set_quotas(&mut self, quotas: &[Quota]) -> Result<(), String> {
        let mut changed = Self { text: self.text.clone() };
        for (index, quota) in quotas.iter().enumerate() {
            let unit = quota.unit();
            if quotas[..index].iter().any(|before| before.unit() == unit) {
                return Err(format!("two quotas in {unit}\n  help: give one"));
            }
            if !CLIENTS.contains(&unit) || self.place(&["limits", unit.as_str(), "quota"]).is_none() {
                let help = format!("its quotas of each client are {}", self.quotas()?);
                return Err(format!("the policy does not limit the {unit} of each client\n  help: {help}"));
            }
            let written = Value::from(quota.to_string()).to_string();
            changed.replace(&["limits", unit.as_str(), "quota"], &written)?;
        }
        *self = changed;
        Ok(())
    }

    fn replace(&mut self, path: &[&str], written: &str) -> Result<(), String> {
        let place = self.place(path).ok_or_else(|| format!("the policy has no {}", path.join(".")))?;
        let mut text = self.text.clone();
        text.replace_range(place, written);
        *self = Self::new(&text)?;
        Ok(())
    }

    /// The place of a value.
    fn place(&self, path: &[&str]) -> Option<Range<usize>> {
        let (last, tables) = path.split_last()?;
        let document = DeTable::parse(&self.text).ok()?;
        let mut table = document.get_ref();
        for name in tables {
            table = match table.get(*name)?.get_ref() {
                DeValue::Table(table) => table,
                _ => return None,
            };
        }
        table.get(*last).map(toml::Spanned::span)
    }

    fn policy(&self) -> Result<Policy, String> {
        let source = Source::new("the policy", self.text.as_bytes());
        source.and_then(|source| Policy::parse(&source)).map_err(|error| error.to_string())
    }
}

/// The units after which limits of each client are named.
const CLIENTS: &[Unit] = &[Unit::Requests, Unit::Items, Unit::Tokens];
