//! The store in Redis, with real servers.

mod addresses;
mod batches;
mod clearing;
mod clocks;
mod clusters;
mod conformance;
mod expiries;
mod idle;
mod leases;
mod lending;
mod migrations;
mod names;
mod outages;
mod real_time;
mod sentinels;
mod servers;
mod settlements;
mod subject;
mod topologies;
mod troubles;
