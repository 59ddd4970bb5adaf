//! The accounts at hand.

use std::collections::HashMap;

use sluicegate::{Charge, Quota, Timestamp, accounts::AnyAccount};

use crate::{
    item,
    link::{Failure, Reply},
    place::Place,
};

/// Accounts as they were read a moment ago, and as they shall be; or why one cannot be read.
pub(crate) type Ledger = HashMap<Place, Result<Entry, Failure>>;

/// One account.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: AnyAccount,
    /// The item's last change; `None` if there is no item.
    pub(crate) cas: Option<u64>,
    /// The connection over which it was read.
    pub(crate) connection: u64,
    /// Whether it shall be another than was read.
    pub(crate) changed: bool,
}

impl Entry {
    /// What a server says of a charge's account.
    pub(crate) fn read(
        reply: &Reply,
        charge: &Charge,
        place: &Place,
        connection: u64,
    ) -> Result<Self, Failure> {
        let algorithm = charge.quota.algorithm();
        let (account, cas) = match reply {
            Reply::Not => (AnyAccount::new(algorithm), None),
            Reply::Value { cas: 0, .. } => {
                let why = "memcached was started with -C, so that nobody can tell whether an item was changed; start it without";
                return Err(Failure::misconfigured(why));
            }
            Reply::Value { data, cas } => match item::read(data, algorithm, &charge.quota) {
                Some(account) => (account, Some(*cas)),
                None => {
                    let why = format!(
                        "the item {} in memcached is none of this store's; give the store a prefix of its own, or delete it",
                        place.name
                    );
                    return Err(Failure::misconfigured(why));
                }
            },
            other => return Err(refused(other)),
        };
        Ok(Self { account, cas, connection, changed: false })
    }

    /// When the account's window began, on whichever instance's clock: what is charged now is charged no earlier, or a
    /// refund would not find the window that it belongs to.
    pub(crate) fn begins(&self, quota: &Quota) -> Timestamp {
        match &self.account {
            AnyAccount::FixedWindow(window) => {
                let length = (Timestamp::EPOCH + quota.window()).ticks();
                Timestamp::from_ticks(window.ends().ticks().saturating_sub(length))
            }
            AnyAccount::SlidingWindow(window) => window.begins(),
            AnyAccount::TokenBucket(_) | AnyAccount::SlidingLog(_) | AnyAccount::Concurrent(_) => {
                Timestamp::EPOCH
            }
        }
    }
}

/// A server could not do what it was asked.
pub(crate) fn refused(reply: &Reply) -> Failure {
    match reply {
        Reply::Refused(why) => Failure::new(format!("memcached could not keep an account: {why}")),
        other => Failure::new(format!("memcached answered {other:?} to a question about an account")),
    }
}
