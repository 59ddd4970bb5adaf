//! The store in Memcached, on real servers.

mod clocks;
mod conformance;
mod crowds;
mod faults;
mod items;
mod resets;
mod server;
mod servers;
mod settings;
mod stores;
