//! The store: the place of balances.

use std::{fmt, future::Future};

use smallvec::SmallVec;

use crate::{Charge, Cost, Decision, ServerId, Taken};

/// Keeps what each key has spent. The store, not its caller, tells the time.
///
/// A store passes the conformance suite of `sluicegate-store-tests`; a behaviour that is not in the suite does
/// not exist.
pub trait Store: Send + Sync + 'static {
    /// The claim of an admitted request on what was taken for it. It is held for as long as the request runs, and may be
    /// settled on another thread or from [`Drop`], so it is small and quick to clone. A store around another one has a
    /// type of its own, which tells where the charges were taken. [`Lease`](crate::Lease) suits a store that takes all of
    /// them itself.
    type Lease: Clone + fmt::Debug + Send + Sync + 'static;

    /// Takes every charge, or takes none and names the one that was denied.
    ///
    /// A cost of zero peeks: it is judged like any other and changes nothing. Two charges on one account add
    /// up. An error means that nobody knows whether the charges were taken. Where several servers keep the accounts,
    /// the error names those that [failed](StoreError::servers), and what the others admitted is given back.
    fn take(
        &self,
        charges: &[Charge],
    ) -> impl Future<Output = Result<Decision<Taken<Self::Lease>>, StoreError>> + Send;

    /// Replaces the costs of `charges` by what was `actual`ly used, index by index, and gives back the slots of
    /// concurrent limits. Less than the estimate is a refund, more is a debt that later requests wait for.
    ///
    /// `charges` and `lease` are those of the [`take`](Self::take) that is settled; where `actual` is shorter, the
    /// charges beyond it keep their estimates. A refund never goes to a window other than the one that was
    /// charged, nor beyond a full account.
    ///
    /// The lease of a take of nothing but peeks also gives back what others have spent. Then `charges` are those on the same
    /// accounts with the costs to give back, and `actual` is zero for each. An account gives back what it has counted since
    /// the window of that take began; a sliding log, whose charges are known by their times, gives back nothing.
    fn settle(
        &self,
        charges: &[Charge],
        lease: Self::Lease,
        actual: &[Cost],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets what was spent on each of these accounts: the next charge finds it as never used, and all slots of a
    /// concurrent one free. An account is a key and an algorithm; costs are ignored, and all other accounts stay.
    ///
    /// Accounts are forgotten one after the other, and forgetting one that was never used, or twice, changes nothing. An
    /// error means that nobody knows which of them were.
    ///
    /// A lease taken before, and settled or released afterwards, finds an account that was forgotten. Its
    /// slots are nobody's: giving them back frees none that somebody else has taken since. A refund gives
    /// nothing back if the store can tell that the account was forgotten since, and never fills it beyond
    /// full. An account that counts knows when it began, and one that has not been charged since has nothing
    /// to give back. A token bucket that was charged again cannot tell. Usage beyond the estimate is charged.
    fn reset(&self, accounts: &[Charge]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives back the lease's slots of concurrent limits; all else keeps its estimate. Returns at once: a store
    /// behind a network does the work later. Releasing a lease twice changes nothing.
    fn release(&self, charges: &[Charge], lease: Self::Lease);
}

/// A store did not answer, or answered something that makes no sense.
///
/// ```
/// use sluicegate::StoreError;
///
/// let late = StoreError::new("cache:6379 did not answer within 10 ms; is it up?");
/// assert!(!late.is_misconfiguration());
/// let refused = StoreError::misconfigured("cache:6379 refuses the password; set the right one in [store] url");
/// assert!(refused.is_misconfiguration());
/// ```
#[derive(Debug)]
pub struct StoreError {
    message: String,
    misconfiguration: bool,
    servers: SmallVec<[ServerId; 2]>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Nobody answered, or not in time: it may heal by itself. Says what went wrong and what to do.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), misconfiguration: false, servers: SmallVec::new(), source: None }
    }

    /// The store answered that it cannot be asked like this, and a person must mend it: a wrong address or password, a
    /// replica that only reads. Says what went wrong and what to do.
    #[must_use]
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self { misconfiguration: true, ..Self::new(message) }
    }

    /// Returns `true` if a person must fix the cause.
    #[must_use]
    pub const fn is_misconfiguration(&self) -> bool {
        self.misconfiguration
    }

    /// Adds a server that failed.
    #[must_use]
    pub fn at(mut self, server: ServerId) -> Self {
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        self
    }

    /// Returns the servers that failed. Empty if it may be any that was asked.
    #[must_use]
    pub fn servers(&self) -> &[ServerId] {
        &self.servers
    }

    /// Returns those of the servers that were asked which this error is of: all, if it names none of them.
    pub(crate) fn among(&self, mut asked: SmallVec<[ServerId; 1]>) -> SmallVec<[ServerId; 1]> {
        if asked.iter().any(|server| self.servers.contains(server)) {
            asked.retain(|server| self.servers.contains(server));
        }
        asked
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
