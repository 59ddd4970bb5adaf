//! `sluicegate schema`.

use std::io::{self, Write};

use clap::Args;

use super::Outcome;

/// Prints the JSON Schema of the policy file
///
/// Editors use it to complete and check a policy file:
///
///   sluicegate schema > sluicegate.schema.json
///
/// and then, as the first line of sluicegate.toml:
///
///   "$schema" = "./sluicegate.schema.json"
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Schema;

impl Schema {
    #[expect(clippy::unused_self, reason = "every command runs alike")]
    pub(super) fn run(&self) -> Outcome {
        writeln!(io::stdout(), "{:#}", sluicegate_policy::schema())?;
        Ok(())
    }
}
