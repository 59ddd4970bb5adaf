//! Warnings: what a policy may say, and its author hardly means.

mod callers;
mod decisions;
mod gateway;
mod limits;
mod paths;

use crate::{
    Diagnostics, Policy, Source,
    config::{file::File, report::Report},
};

/// Finds what limits nothing or is dangerous in a good policy.
pub(crate) fn lint(source: &Source, file: &File, policy: &Policy) -> Diagnostics {
    let mut report = Report::new(source);
    gateway::lint(&mut report, file, policy);
    callers::lint(&mut report, file, policy);
    limits::lint(&mut report, file, policy);
    decisions::lint(&mut report, file, policy);
    paths::lint(&mut report, file);
    report.into_diagnostics()
}
