//! Names of accounts that can be shown.

use sluicegate::Key;

/// The account's key without the values that come from a header, a cookie, the query or a descriptor, where secrets are.
pub(super) fn visible(key: &Key) -> String {
    let hidden = |part: &str| match part.split_once('=') {
        Some((name, _)) if SECRET.iter().any(|kind| name.starts_with(kind)) => format!("{name}=***"),
        _ => part.to_owned(),
    };
    key.as_str().split('|').map(hidden).collect::<Vec<_>>().join("|")
}

const SECRET: [&str; 4] = ["header:", "cookie:", "query:", "entry:"];
