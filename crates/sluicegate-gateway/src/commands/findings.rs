//! Findings of `check` in a policy.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use sluicegate_policy::{Diagnostic, Diagnostics, Place};

use super::{AlreadyTold, Outcome};

/// Errors in a policy, and warnings of what its author hardly means.
pub(super) struct Findings {
    pub(super) errors: Diagnostics,
    pub(super) warnings: Diagnostics,
}

impl Findings {
    /// Prints them as JSON to standard output, for machines. An error means that the policy is refused.
    pub(super) fn print_json(&self, file: &Path) -> Outcome {
        let all = |found: &Diagnostics| found.as_slice().iter().map(one).collect::<Vec<_>>();
        let document = json!({
            "file": file.display().to_string(),
            "ok": self.errors.is_empty(),
            "errors": all(&self.errors),
            "warnings": all(&self.warnings),
        });
        writeln!(io::stdout(), "{document:#}")?;
        if self.errors.is_empty() { Ok(()) } else { Err(AlreadyTold.into()) }
    }

    /// Prints warnings to standard error, for people. An error means that the policy is refused, and says why; then it
    /// stands alone.
    pub(super) fn print(self) -> Outcome {
        if !self.errors.is_empty() {
            return Err(self.errors.into());
        }
        for warning in self.warnings.as_slice() {
            let message = format!("warning: {}", warning.message);
            writeln!(io::stderr(), "{}", Diagnostic { message, ..warning.clone() })?;
        }
        Ok(())
    }
}

fn one(found: &Diagnostic) -> Value {
    let mut value = match &found.place {
        Place::At { file, line, column } => json!({ "file": **file, "line": line, "column": column }),
        Place::File(file) => json!({ "file": **file }),
        Place::Field { of, field } => json!({ "value": **of, "field": field }),
        Place::Override(name) => json!({ "override": name }),
    };
    value["message"] = found.message.clone().into();
    value["help"] = found.help.clone().into();
    value
}
