//! The limits of a layer, and everything that their decisions need.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::request::Parts;
use sluicegate::{Clock, Cost, StoreError, Timestamp};
use sluicegate_http::{Admission, DenialLog};
use sluicegate_metrics::Metrics;
use sluicegate_policy::{
    Hints, KeyTemplate, LimitId, NO_ADDRESS, Part, Policy, Rejection, RequestId, RouteId,
};
use sluicegate_stores::AnyStore;

use crate::{Event, address};

/// The clock of a layer: the system's, or a test's.
#[derive(Clone)]
pub(crate) struct SharedClock(Arc<dyn Clock>);

impl SharedClock {
    pub(crate) fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }
}

impl Clock for SharedClock {
    #[inline]
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedClock")
    }
}

/// The store of a layer.
pub(crate) type Accounts = AnyStore<SharedClock>;

/// Finds the peer's address of a request.
pub(crate) type FindPeer = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// Finds the key of a request.
pub(crate) type FindKey = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// Finds the cost of a request.
pub(crate) type FindCost = Arc<dyn Fn(&Parts) -> Cost + Send + Sync>;

/// Gets events.
pub(crate) type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// The limits of a layer, shared by its services and their requests.
pub(crate) struct Limits {
    pub(crate) admission: Admission<Accounts, SharedClock>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) denials: DenialLog,
    /// The limits are written in code.
    pub(crate) code: Option<Code>,
    pub(crate) find_peer: Option<FindPeer>,
    pub(crate) listener: Option<Listener>,
    /// Some request may be charged to its client's address.
    pub(crate) needs_address: bool,
}

/// The functions of limits that are written in code.
#[derive(Clone, Default)]
pub(crate) struct Code {
    pub(crate) find_key: Option<FindKey>,
    pub(crate) find_cost: Option<FindCost>,
}

/// The key and the cost of a request, as code found them.
pub(crate) struct OwnedHints {
    key: Option<String>,
    cost: Option<Cost>,
}

impl OwnedHints {
    fn has_key(&self) -> bool {
        self.key.as_ref().is_some_and(|key| !key.is_empty())
    }

    pub(crate) fn borrowed(&self) -> Hints<'_> {
        Hints { key: self.key.as_deref(), cost: self.cost, ..Hints::default() }
    }
}

impl Limits {
    pub(crate) fn admission(&self) -> &Admission<Accounts, SharedClock> {
        &self.admission
    }

    /// The policy of its gate.
    pub(crate) fn policy(&self) -> &Policy {
        self.admission.gate().policy()
    }

    /// Returns the key and the cost of a request, if its limits are written in code.
    pub(crate) fn hints(&self, head: &Parts) -> Option<OwnedHints> {
        let code = self.code.as_ref()?;
        Some(OwnedHints {
            key: code.find_key.as_ref().map(|find| find(head).unwrap_or_default()),
            cost: code.find_cost.as_ref().map(|find| find(head)),
        })
    }

    /// Returns the peer's address. `None` if a request needs it and nothing tells it: all such requests would share one account.
    pub(crate) fn peer(&self, head: &Parts, hints: Option<&OwnedHints>) -> Option<IpAddr> {
        let told = match &self.find_peer {
            Some(find) => find(head),
            None => address::peer(&head.extensions),
        };
        let peer = told.unwrap_or(NO_ADDRESS);
        // A peer without an address may be a proxy on a Unix socket that tells the client's.
        let is_keyed = hints.is_some_and(OwnedHints::has_key) && self.policy().identity.failures.is_none();
        let is_known = peer != NO_ADDRESS || self.admission.gate().account_ip(head, peer) != NO_ADDRESS;
        (is_known || is_keyed || !self.needs_address).then_some(peer)
    }

    /// The time after which a client that sends nothing of its body is given up.
    pub(crate) fn stall(&self, route: RouteId) -> Duration {
        let policy = self.policy();
        policy.routes.get(route).timeouts().idle.unwrap_or(policy.gateway.idle_timeout)
    }

    pub(crate) fn tell_rejection(&self, rejection: &Rejection, id: &RequestId) {
        let request_id = id.as_str();
        match rejection {
            Rejection::Denied(denied) => {
                self.denials.count(self.policy(), denied);
                self.tell(|| Event::Denied {
                    denial: self.denials.fields(self.policy(), denied),
                    request_id,
                });
            }
            Rejection::Refused(refused) => {
                let (refusal, store_error) = (&refused.refusal, refused.store_error.as_ref());
                self.tell(|| Event::Refused { refusal, store_error, request_id });
            }
            Rejection::Preflight { .. } => {}
        }
    }

    pub(crate) fn tell_cut(&self, limit: LimitId) {
        self.tell(|| Event::Cut { limit: self.policy().limit(limit).name() });
    }

    pub(crate) fn tell_settled(&self, settled: Result<(), StoreError>) {
        if let Err(error) = settled {
            self.tell(|| Event::Unsettled(&error));
        }
    }

    pub(crate) fn tell<'e>(&self, event: impl FnOnce() -> Event<'e>) {
        if let Some(listener) = &self.listener {
            listener(&event());
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("admission", &self.admission).finish_non_exhaustive()
    }
}

/// Returns `true` if a request may be charged to its client's address: by name, or in place of what it lacks.
pub(crate) fn needs_address(policy: &Policy) -> bool {
    policy.identity.failures.is_some() || policy.limits.iter().any(|limit| may_lack(limit.key_template()))
}

/// Returns `true` if a request may lack a part of this key.
fn may_lack(key: &KeyTemplate) -> bool {
    let is_in_all = |part: &Part| matches!(part, Part::Tier | Part::Route | Part::Path | Part::Method);
    !key.parts().iter().all(is_in_all)
}
