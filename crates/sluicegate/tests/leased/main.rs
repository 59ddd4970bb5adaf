//! Chunks of quotas: never more than the quota, and little less.

mod bound;
mod chunks;
mod link;
mod outages;
