//! The conformance suite that every Sluicegate store must pass.
