//! Descriptors of Envoy's rate limit filter.

use std::fmt;

use crate::{Charging, KeyTemplate, Part};

/// The descriptors that a route is for: those of a domain whose entries have these keys, in this order, and some of them these
/// values.
///
/// As text it is the label of its route: `ml: generic_key=chat, user`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    pub(crate) domain: String,
    pub(crate) entries: Vec<DescriptorEntry>,
    pub(crate) charging: Charging,
}

/// An entry of the descriptors that a route is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DescriptorEntry {
    pub(crate) key: String,
    /// `None` for any value.
    pub(crate) value: Option<String>,
}

impl Descriptor {
    /// The path of the method by which Envoy asks. Requests of descriptors have it in logs.
    pub const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

    /// The key of the entry with the client's address.
    pub const REMOTE_ADDRESS: &str = "remote_address";

    /// Returns what their hits are.
    #[must_use]
    pub const fn charging(&self) -> Charging {
        self.charging
    }

    /// Returns `true` if it is for the same descriptors.
    pub(crate) fn is_for_those_of(&self, other: &Self) -> bool {
        self.domain == other.domain && self.entries == other.entries
    }

    /// Returns `true` if it is for the descriptor of these keys and values.
    pub(crate) fn matches(&self, domain: &str, entries: &[(String, String)]) -> bool {
        self.domain == domain
            && self.entries.len() == entries.len()
            && self.entries.iter().zip(entries).all(|(wanted, (key, value))| {
                wanted.key == *key && wanted.value.as_ref().is_none_or(|wanted| wanted == value)
            })
    }

    /// Ranks it among all that are for one descriptor. The greatest one is the most specific: it names more values or, of the
    /// same number, those of earlier entries.
    pub(crate) fn rank(&self) -> (usize, Vec<bool>) {
        let fixed: Vec<bool> = self.entries.iter().map(|entry| entry.value.is_some()).collect();
        (fixed.iter().filter(|fixed| **fixed).count(), fixed)
    }

    /// Returns `true` if it has an entry of this key, in whatever case.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key.eq_ignore_ascii_case(key))
    }

    /// The key of limits that name none: one account for each combination of the values that are not fixed.
    pub(crate) fn key(&self) -> KeyTemplate {
        let open = self.entries.iter().filter(|entry| entry.value.is_none());
        KeyTemplate::of(open.map(|entry| match entry.key.as_str() {
            Self::REMOTE_ADDRESS => Part::ClientIp,
            key => Part::Entry(key.to_owned()),
        }))
    }

    /// Returns what a key needs and these descriptors lack, and the remedy.
    pub(crate) fn lacks(&self, part: &Part) -> Option<(String, String)> {
        let no_entry = |key: &str| {
            let message = format!("the descriptor has no entry `{key}`");
            Some((message, format!("add \"{key}\" to the `entries`, or give the limit another `key`")))
        };
        match part {
            Part::Entry(key) if !self.entries.iter().any(|entry| entry.key == *key) => no_entry(key),
            Part::Header(name) if !self.has(name.as_str()) => no_entry(name.as_str()),
            Part::ClientIp if !self.entries.iter().any(|entry| entry.key == Self::REMOTE_ADDRESS) => {
                no_entry(Self::REMOTE_ADDRESS)
            }
            Part::ApiKey | Part::Tenant if !self.has("x-api-key") && !self.has("authorization") => {
                no_entry("x-api-key")
            }
            Part::Path
            | Part::Method
            | Part::Parameter(_)
            | Part::Query(_)
            | Part::Cookie(_)
            | Part::Body(_) => {
                let help = "give the limit a `key` of the descriptor's entries, such as \"entry:user\"";
                Some((format!("a descriptor has no `{part}`"), help.to_owned()))
            }
            Part::Entry(_) | Part::Header(_) | Part::ClientIp | Part::ApiKey | Part::Tenant => None,
            Part::Tier | Part::Route => None,
        }
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.domain)?;
        for (place, entry) in self.entries.iter().enumerate() {
            f.write_str(if place == 0 { " " } else { ", " })?;
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for DescriptorEntry {
    /// As the policy writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}
