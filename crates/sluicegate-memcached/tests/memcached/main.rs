//! The store in Memcached, on real servers.

mod conformance;
mod crowds;
mod faults;
mod items;
mod server;
mod settings;
mod stores;
