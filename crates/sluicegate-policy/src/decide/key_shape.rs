//! The keys that a template can make.

use crate::{KeyTemplate, Part, decide::key_template::named};

impl KeyTemplate {
    /// Returns `true` if some request can have this key, without the name that all keys of the limit begin
    /// with.
    pub(crate) fn can_make(&self, key: &str) -> bool {
        let written: Vec<_> = key.split('|').collect();
        match written.as_slice() {
            // A program that gives its callers' keys gives them for every limit.
            [given] if given.starts_with("key=") => true,
            [tenant, rest @ ..]
                if self.parts().first() == Some(&Part::ApiKey) && is(tenant, &Part::Tenant) =>
            {
                is(rest.first().unwrap_or(&""), &Part::ApiKey) && self.is_made_of(rest)
            }
            written => self.is_made_of(written),
        }
    }

    fn is_made_of(&self, written: &[&str]) -> bool {
        // A part that a request lacks is replaced by its client's address, and none lacks these.
        let is_always_there =
            |part: &Part| matches!(part, Part::Tier | Part::Route | Part::Path | Part::Method);
        let fits = |(written, part): (&&str, &Part)| {
            is(written, part) || (!is_always_there(part) && is(written, &Part::ClientIp))
        };
        written.len() == self.parts().len() && written.iter().zip(self.parts()).all(fits)
    }
}

fn is(written: &str, part: &Part) -> bool {
    let mut name = smallvec::SmallVec::new();
    named(&mut name, "", &part.to_string(), b"");
    written.as_bytes().starts_with(&name)
}
