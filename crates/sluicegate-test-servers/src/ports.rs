//! Ports that nobody listens on.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

/// A port on loopback that nobody listens on. Somebody else may take it before it is used: whoever starts a server on it
/// tries again with another.
#[allow(clippy::cast_possible_truncation)] // some bits of a random number are as random as all
pub(crate) fn free_port() -> u16 {
    // Each `RandomState` has keys of its own, and an empty hash made with them is as random as they are.
    let random = || RandomState::new().build_hasher().finish();
    let ports =
        std::iter::repeat_with(|| PORTS.start + (random() as u16) % (PORTS.end - PORTS.start)).take(1_000);
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().expect("a free port among a thousand")
}

/// Below those that the system gives to clients: one of their connections could take the port of a server that is about
/// to start again.
const PORTS: Range<u16> = 10_000..32_000;
