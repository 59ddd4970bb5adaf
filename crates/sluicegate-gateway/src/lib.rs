//! The Sluicegate gateway: exact rate limits before any machine-learning server.
