//! Names of limits that have none.

use std::{collections::BTreeSet, fmt::Write};

use ring::digest::{SHA256, digest};
use sluicegate::Quota;

/// The names that limits have so far. Two names that differ only in `-` and `_` are one: a header's name knows
/// only `_`.
#[derive(Debug, Default)]
pub(super) struct LimitNames(BTreeSet<String>);

impl LimitNames {
    /// Takes a name, unless it is taken.
    pub(super) fn take(&mut self, name: &str) -> bool {
        self.0.insert(name.replace('-', "_"))
    }

    /// Takes a name like this one: `predict_10_per_minute` or, where that is taken, `predict_10_per_minute_2`.
    pub(super) fn make(&mut self, wanted: &str) -> String {
        let wanted = shortened(wanted);
        let mut name = wanted.clone();
        // Ends: each round asks for another name, and there are finitely many taken ones.
        for number in 2_u32.. {
            if self.take(&name) {
                break;
            }
            name = shortened(&format!("{wanted}_{number}"));
        }
        name
    }
}

/// `predict_10_per_minute` for a route of `/predict` and a quota of `10/minute`.
pub(super) fn inline(owner: &str, quota: &Quota) -> String {
    format!("{}_{}", slug(owner), slug(&quota.to_string().replace('/', " per ")))
}

/// `predict` for a route of `/predict` whose quotas are not always the same.
pub(super) fn varying(owner: &str) -> String {
    slug(owner)
}

/// The letters, digits and underscores of a text, with an underscore for each run of others: the name is the same in
/// headers, whose readers take it for a word, as in logs and metrics.
fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|piece| !piece.is_empty())
    {
        if !out.is_empty() {
            out.push('_');
        }
        out.push_str(piece);
    }
    if out.is_empty() { "root".to_owned() } else { out }
}

/// At most 64 characters; a longer name keeps its beginning, and a hash keeps it apart from its like.
fn shortened(name: &str) -> String {
    if name.len() <= 64 {
        return name.to_owned();
    }
    let mut short = name.get(..55).unwrap_or_default().to_owned();
    short.push('_');
    for byte in &digest(&SHA256, name.as_bytes()).as_ref()[..4] {
        // Writing to a string does not fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}
