//! Accounts in Memcached.

use std::{fmt, sync::Arc, time::Duration};

use sluicegate::{
    Algorithm, Backend, Balances, Charge, Cost, Decision, Lease, ServerId, Store, StoreError, Taken,
};
use sluicegate_remote::OnceSender;
use smallvec::SmallVec;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use crate::{
    MemcachedStoreBuilder, check,
    deadlines::DeadlineKeeper,
    dispatcher::Dispatcher,
    forget,
    job::{Job, Settling, Taking},
    link,
    location::Location,
};

/// A store in Memcached, for many instances. The [crate] says what can be relied on.
///
/// ```
/// use sluicegate_memcached::MemcachedStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Runtime::new()?;
/// let store = MemcachedStore::builder("memcached://cache-1,cache-2:11212")?
///     .prefix("shop")
///     .open(runtime.handle())?;
/// # Ok(())
/// # }
/// ```
pub struct MemcachedStore {
    dispatcher: Arc<Dispatcher>,
    deadlines: DeadlineKeeper,
    runtime: Handle,
}

impl MemcachedStore {
    /// A store to be set up, on `memcached://HOST[:PORT][,HOST[:PORT]…]`; the port is 11211 unless it is given.
    ///
    /// # Errors
    ///
    /// When the URL is no such URL: a misconfiguration, which says what would be right.
    pub fn builder(url: &str) -> Result<MemcachedStoreBuilder, StoreError> {
        MemcachedStoreBuilder::parse(url)
    }

    pub(crate) fn new(dispatcher: Arc<Dispatcher>, deadlines: DeadlineKeeper, runtime: &Handle) -> Self {
        Self { dispatcher, deadlines, runtime: runtime.clone() }
    }

    /// Asks every server once, connecting if need be. Takes two seconds at most.
    ///
    /// # Errors
    ///
    /// When one of them cannot be reached or used; a [misconfiguration](StoreError::is_misconfiguration) of any comes
    /// first.
    pub async fn check(&self) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let dispatcher = Arc::clone(&self.dispatcher);
        self.runtime.spawn(async move {
            let late =
                |_| Err(StoreError::new(format!("memcached did not answer within {CHECK:?}; is it up?")));
            let _ = sender.send(timeout(CHECK, check::servers(&dispatcher)).await.unwrap_or_else(late));
        });
        receiver.await.unwrap_or_else(|_| Err(shut_down()))
    }

    fn locations<'c>(&self, charges: impl IntoIterator<Item = &'c Charge>) -> SmallVec<[Location; 4]> {
        charges.into_iter().map(|charge| self.dispatcher.location(charge)).collect()
    }
}

impl Store for MemcachedStore {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        if let Some(charge) = charges.iter().find(|charge| charge.quota.algorithm() == Algorithm::Concurrent)
        {
            return Err(unsupported(charge));
        }
        if charges.is_empty() {
            let at = self.dispatcher.clock.now();
            let taken = Taken { balances: Balances::new(), lease: Lease::new(0, at), at };
            return Ok(Decision::Allow(taken));
        }
        let (reply_to, answer) = OnceSender::channel();
        let locations = self.locations(charges);
        self.deadlines.add(reply_to.clone(), &locations)?;
        self.dispatcher.dispatch(Job::take(charges, locations, Taking::new(reply_to)));
        answer.await.unwrap_or_else(|_| Err(shut_down()))
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        let (charges, actual): (SmallVec<[Charge; 4]>, SmallVec<[Cost; 4]>) = charges
            .iter()
            .zip(actual)
            .filter(|(charge, actual)| {
                charge.cost != **actual && charge.quota.algorithm() != Algorithm::Concurrent
            })
            .map(|(charge, actual)| (charge.clone(), *actual))
            .unzip();
        if charges.is_empty() {
            return Ok(());
        }
        let (reply_to, answer) = OnceSender::channel();
        let locations = self.locations(&charges);
        self.deadlines.add(reply_to.clone(), &locations)?;
        let settling = Settling::new(actual, lease.taken_at, reply_to);
        self.dispatcher.dispatch(Job::settle(&charges, locations, settling));
        answer.await.unwrap_or_else(|_| Err(shut_down()))
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        let kept = accounts.iter().filter(|account| account.quota.algorithm() != Algorithm::Concurrent);
        let locations = self.locations(kept);
        let (reply_to, answer) = OnceSender::channel();
        self.deadlines.add(reply_to.clone(), &locations)?;
        let dispatcher = Arc::clone(&self.dispatcher);
        self.runtime.spawn(async move { reply_to.send(forget::accounts(&dispatcher, &locations).await) });
        answer.await.unwrap_or_else(|_| Err(shut_down()))
    }

    /// There are no slots to give back: none was ever taken.
    fn release(&self, _charges: &[Charge], _lease: Lease) {}
}

impl Backend for MemcachedStore {
    fn server(&self, charge: &Charge) -> ServerId {
        link::id(self.dispatcher.home(charge))
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        let servers = self.dispatcher.links.iter().enumerate();
        servers.map(|(number, link)| (link::id(number), link.server().to_string())).collect()
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.dispatcher.links.iter().map(|link| link.server().to_string()).collect();
        f.debug_struct("MemcachedStore").field("servers", &servers).finish_non_exhaustive()
    }
}

/// Names the limit, which is the first part of its accounts' keys and identifies no caller.
fn unsupported(charge: &Charge) -> StoreError {
    let limit = charge.key.as_str().split('|').next().unwrap_or_default();
    StoreError::misconfigured(format!(
        "memcached cannot keep the limit `{limit}` of {}: it has no leases, so the slots of an instance that dies would \
         never come back; keep concurrent limits in redis:// or memory://",
        charge.quota
    ))
}

fn shut_down() -> StoreError {
    StoreError::new("the runtime of the store has been shut down")
}

const CHECK: Duration = Duration::from_secs(2);
