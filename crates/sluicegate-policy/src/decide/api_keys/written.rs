//! The file of API keys as it is written.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{ApiKey, ApiKeysError, secret::Hash, secret::is_id};
use crate::{Tier, Tiers, UtcTime};

/// The keys that `text` holds, in its order. Where the policy's tiers are given, keys have no others.
pub(super) fn parse(path: &Path, text: &str, tiers: Option<&Tiers>) -> Result<Vec<ApiKey>, ApiKeysError> {
    let entries = entries(path, text)?;
    let mut keys = Vec::with_capacity(entries.len());
    let mut seen = HashMap::with_capacity(entries.len());
    for entry in &entries {
        let key = entry.resolve().map_err(|wrong| ApiKeysError::at(path, text, wrong.at, wrong.message))?;
        if seen.insert(entry.id.get_ref(), ()).is_some() {
            let message = format!("a second key `{}`; every key has an id of its own", key.id);
            return Err(ApiKeysError::at(path, text, entry.id.span().start, message));
        }
        // A revoked key may have been of a tier that is sold no longer.
        if let (Some(tiers), Some(tier), None) = (tiers, &entry.tier, key.revoked)
            && tiers.are_named()
            && tiers.find(tier.get_ref()).is_none()
        {
            let known: Vec<_> = tiers.as_slice().iter().map(Tier::name).collect();
            let message =
                format!("the policy has no tier `{}`; its tiers are {}", tier.get_ref(), known.join(", "));
            return Err(ApiKeysError::at(path, text, tier.span().start, message));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Finds the end of the id of the key called `id` in the text.
pub(super) fn end_of_id(path: &Path, text: &str, id: &str) -> Result<Option<usize>, ApiKeysError> {
    let entries = entries(path, text)?;
    Ok(entries.iter().find(|entry| entry.id.get_ref() == id).map(|entry| entry.id.span().end))
}

fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, ApiKeysError> {
    match toml::from_str::<Keys>(text) {
        Ok(keys) => Ok(keys.key),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            Err(ApiKeysError::at(path, text, at, error.message()))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    sha256: Spanned<String>,
    tenant: Spanned<String>,
    tier: Option<Spanned<String>>,
    created: Spanned<Datetime>,
    revoked: Option<Spanned<Datetime>>,
}

impl Entry {
    fn resolve(&self) -> Result<ApiKey, Wrong> {
        if !is_id(self.id.get_ref()) {
            return Err(Wrong::at(&self.id, "an id is eight lower-case letters or digits"));
        }
        let hash = Hash::parse(self.sha256.get_ref()).ok_or_else(|| {
            Wrong::at(&self.sha256, "not a SHA-256: 64 hexadecimal digits; `sluicegate key new` writes it")
        })?;
        if !is_name(self.tenant.get_ref()) {
            return Err(Wrong::at(&self.tenant, NAME_RULE));
        }
        if let Some(tier) = self.tier.as_ref().filter(|tier| !is_name(tier.get_ref())) {
            return Err(Wrong::at(tier, NAME_RULE));
        }
        Ok(ApiKey {
            id: self.id.get_ref().clone(),
            tenant: self.tenant.get_ref().clone(),
            tier: self.tier.as_ref().map(|tier| tier.get_ref().clone()),
            created: moment(&self.created)?,
            revoked: self.revoked.as_ref().map(moment).transpose()?,
            hash,
        })
    }
}

/// Returns `true` if the text can name a tenant or a tier.
pub(super) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

pub(super) const NAME_RULE: &str = "a name has 1 to 128 bytes and no control characters";

fn moment(written: &Spanned<Datetime>) -> Result<UtcTime, Wrong> {
    UtcTime::of(*written.get_ref()).ok_or_else(|| {
        Wrong::at(written, "a time is a date-time with its offset, such as 2026-11-21T08:00:00Z")
    })
}

struct Wrong {
    at: usize,
    message: &'static str,
}

impl Wrong {
    fn at<T>(value: &Spanned<T>, message: &'static str) -> Self {
        Self { at: value.span().start, message }
    }
}
