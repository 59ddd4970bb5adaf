//! The accounts of one round.

use std::{collections::HashMap, time::Duration};

use sluicegate::{Charge, Timestamp, accounts::AnyAccount};

use crate::{
    item,
    link::{Failure, Reply},
    location::Location,
};

/// Accounts as they were read a moment ago, and as they shall be; or why one cannot be read.
pub(crate) type WorkingSet = HashMap<Location, Result<Entry, Failure>>;

/// One account.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: AnyAccount,
    /// The item's last change; `None` if there is no item.
    pub(crate) cas: Option<u64>,
    /// The connection over which it was read.
    pub(crate) connection: u64,
    /// Set if its value differs from the one that was read.
    pub(crate) changed: bool,
    /// The earliest possible time of its last change, on any instance's clock. The epoch if the item does not tell.
    pub(crate) changed_at: Timestamp,
}

impl Entry {
    /// Parses a server's reply for a charge's account.
    pub(crate) fn read(
        reply: &Reply,
        charge: &Charge,
        location: &Location,
        connection: u64,
    ) -> Result<Self, Failure> {
        let algorithm = charge.quota.algorithm();
        let (account, cas, flags) = match reply {
            Reply::Not => (AnyAccount::new(algorithm), None, 0),
            Reply::Value { cas: 0, .. } => {
                let why =
                    "memcached was started with -C, so changes of items cannot be detected; start it without";
                return Err(Failure::misconfigured(why).at(location.server));
            }
            Reply::Value { data, cas, flags } => match item::read(data, algorithm, &charge.quota) {
                Some(account) => (account, Some(*cas), *flags),
                None => {
                    let why = format!(
                        "the item {} in memcached is none of this store's; give the store a prefix of its own, or delete it",
                        location.name
                    );
                    return Err(Failure::misconfigured(why));
                }
            },
            other => return Err(refused(other, location)),
        };
        let changed_at = match flags {
            0 => Timestamp::EPOCH,
            ahead => {
                let ahead = (Timestamp::EPOCH + Duration::from_millis(ahead.into())).ticks();
                Timestamp::from_ticks(account.idle_at().ticks().saturating_sub(ahead))
            }
        };
        Ok(Self { account, cas, connection, changed: false, changed_at })
    }

    /// Returns the milliseconds from this change until the account is idle. Zero if there are none, or more than 32 bits hold.
    pub(crate) fn flags(&self, now: Timestamp) -> u32 {
        // Rounded up, so that it is never taken for later than it was.
        let ahead = self.account.idle_at().since(now).as_nanos().div_ceil(1_000_000);
        u32::try_from(ahead).unwrap_or(0)
    }
}

/// A server could not execute a command.
pub(crate) fn refused(reply: &Reply, location: &Location) -> Failure {
    let failure = match reply {
        Reply::Refused(why) => Failure::new(format!("memcached could not keep an account: {why}")),
        other => Failure::new(format!("memcached answered {other:?} to a question about an account")),
    };
    failure.at(location.server)
}
