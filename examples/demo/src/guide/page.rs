//! The guide as a page.

use std::fmt;

use serde_json::json;

use super::{Guide, STEPS, step::Step};
use crate::Addresses;

/// The guide as a page, with a button for everything to try. Displays its HTML.
#[derive(Clone, Debug)]
pub struct Page(String);

impl Page {
    /// The page for these addresses.
    #[must_use]
    pub fn of(addresses: Addresses) -> Self {
        let data = json!({
            "admin": format!("http://{}", addresses.admin),
            "names": Guide(addresses).names(),
            "steps": STEPS.iter().map(Step::to_json).collect::<Vec<_>>(),
        });
        // Within a script, only this could end it.
        let data = data.to_string().replace("</", "<\\/");
        Self(include_str!("page.html").replace("{{guide}}", &data))
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
