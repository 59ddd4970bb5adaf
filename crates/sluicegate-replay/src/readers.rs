//! Readers of lines, one for each kind of log.

pub(crate) mod caddy;
pub(crate) mod columns;
pub(crate) mod decisions;
pub(crate) mod template;

use http::{HeaderName, Method, Uri};
use sluicegate_policy::{Part, Policy};

use crate::{Event, Field};

/// Reads one line at a time.
pub(crate) trait LineReader {
    /// Reads a line, without its end. `None` if nothing was decided.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be read.
    fn read(&self, line: &str) -> Result<Option<Event>, String>;
}

/// The parts of a record that the policy and the command ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The headers that the policy reads: others are not kept.
    pub(crate) headers: Vec<HeaderName>,
    /// Fields, and the columns or variables that hold them.
    pub(crate) fields: Vec<(Field, String)>,
    /// The request of records without a path.
    pub(crate) request: Option<(Method, Uri)>,
}

impl Wanted {
    /// The parts that a policy asks for.
    #[must_use]
    pub(crate) fn by(policy: &Policy) -> Self {
        let mut headers = vec![policy.gateway.forwarded_header.name()];
        headers.extend(policy.identity.tier_header.clone());
        for part in policy.limits.iter().flat_map(|limit| limit.key_template().parts()) {
            match part {
                Part::Header(name) => headers.push(name.clone()),
                Part::Cookie(_) => headers.push(http::header::COOKIE),
                _ => {}
            }
        }
        headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();
        Self { headers, ..Self::default() }
    }

    /// The field that a column or a variable of this name holds.
    pub(crate) fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|(_, holder)| holder == name).map(|(field, _)| field.clone())
    }
}
