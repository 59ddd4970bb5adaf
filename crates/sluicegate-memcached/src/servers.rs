//! All of the Memcacheds that keep a store's accounts.

use ring::digest::{SHA256, digest};
use sluicegate::StoreError;

use crate::server::Server;

/// The servers of a store, in any order: each account lives on one of them.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    servers: Vec<Server>,
    /// One number for each, made from its name.
    seeds: Vec<u64>,
}

impl Servers {
    /// Reads `memcached://HOST[:PORT][,HOST[:PORT]…]`.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("memcached") => rest,
            _ => return Err(wrong("it does not begin with memcached://")),
        };
        if rest.contains('@') {
            return Err(wrong("a user and a password cannot be used here; leave out all before the `@`"));
        }
        if rest.contains(['/', '?', '#']) {
            return Err(wrong("nothing may follow the servers"));
        }
        let servers = rest.split(',').map(Server::parse).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = (1..servers.len()).find(|index| servers[..*index].contains(&servers[*index])) {
            return Err(wrong(&format!("{} is named twice", servers[twice])));
        }
        if servers.len() > MAX_SERVERS {
            return Err(wrong(&format!(
                "there are {} servers, and the maximum is {MAX_SERVERS}",
                servers.len()
            )));
        }
        let seeds = servers.iter().map(seed).collect();
        Ok(Self { servers, seeds })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// Finds the server of a neighbourhood: the one with the highest score for it. A server that comes or
    /// goes moves only its own accounts (rendezvous hashing).
    pub(crate) fn home(&self, neighbourhood: impl FnOnce() -> u128) -> usize {
        if self.seeds.len() == 1 {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "half of the bits are enough to place it")]
        let bits = neighbourhood() as u64;
        let score = |index: &usize| mixed(bits ^ self.seeds[*index]);
        (0..self.seeds.len()).max_by_key(score).unwrap_or(0)
    }
}

fn seed(server: &Server) -> u64 {
    let hash = digest(&SHA256, server.to_string().as_bytes());
    hash.as_ref()[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Every bit of the result depends on every bit of the input (the finalizer of SplitMix64).
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The URL is wrong. It is never repeated, because it may contain a password.
pub(crate) fn wrong(what: &str) -> StoreError {
    StoreError::misconfigured(format!(
        "the URL of the store is wrong: {what}; write it as memcached://HOST[:PORT][,HOST[:PORT]…]"
    ))
}

/// As many as there are bits in a [set of servers](crate::dispatcher::Dispatcher).
const MAX_SERVERS: usize = 64;
