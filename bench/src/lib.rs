//! Sluicegate measured beside its peers, in one run.
