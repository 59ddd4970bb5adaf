//! The store in Redis, with real servers.

mod addresses;
mod batches;
mod clearing;
mod clocks;
mod clusters;
mod conformance;
mod leases;
mod migrations;
mod names;
mod outages;
mod real_time;
mod sentinels;
mod settlements;
mod subject;
mod troubles;
