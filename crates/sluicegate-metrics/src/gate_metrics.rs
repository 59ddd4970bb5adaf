//! The counts of one gate's decisions.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use sluicegate::Store;
use sluicegate_policy::{Pass, Rejection, Reservation, RouteId, Settlement, TierId};

use crate::{Durations, LimitTotals, requests::Requests, tokens::Tokens};

/// Counts the decisions of one gate. It looks up no label and takes no lock: every series was found when it was
/// [made](crate::Metrics::gate).
///
/// Its methods panic when they are given what a gate with another policy decided.
#[derive(Clone, Debug)]
pub struct GateMetrics {
    /// By the ids of routes and tiers.
    pub(crate) routes: Box<[Box<[Requests]>]>,
    /// By their ids.
    pub(crate) limits: Box<[LimitMetrics]>,
    pub(crate) decision_duration: Durations,
    /// By the ids of routes; of those that meter tokens.
    pub(crate) tokens: Box<[Option<Tokens>]>,
}

/// The counts of one limit.
#[derive(Clone, Debug)]
pub(crate) struct LimitMetrics {
    /// Requests charged.
    pub(crate) allowed: Counter,
    /// Requests denied because this limit was spent.
    pub(crate) denied: Counter,
    /// Requests that this limit, in shadow mode, would have denied.
    pub(crate) shadow_denied: Counter,
}

impl GateMetrics {
    /// Counts a request that may pass, and how long it took to decide that.
    pub fn passed<S: Store>(&self, pass: &Pass<S>, took: Duration) {
        self.decision_duration.observe(took);
        self.requests(pass.route(), pass.tier()).allowed.inc();
        for id in pass.limits() {
            self.limits[id.index()].allowed.inc();
        }
        if let (Some(tokens), Some(reservation)) = (&self.tokens[pass.route().index()], pass.reservation()) {
            tokens.reserved(reservation.reserved());
        }
        for id in pass.denied_in_shadow() {
            self.limits[id.index()].shadow_denied.inc();
        }
    }

    /// Counts the tokens for which a request that has ended is charged.
    pub fn settled(&self, route: RouteId, reservation: &Reservation, settlement: &Settlement) {
        if let Some(tokens) = &self.tokens[route.index()] {
            tokens.settled(reservation, settlement);
        }
    }

    /// Counts a request that is rejected. A preflight that the gate answers counts as one that passed.
    ///
    /// Not for one that passed and was failed by what serves it: that is counted already.
    pub fn rejected(&self, rejection: &Rejection) {
        let requests = self.requests(rejection.route(), rejection.tier());
        match rejection {
            Rejection::Denied(denied) => {
                requests.denied.inc();
                for id in denied.spent() {
                    self.limits[id.index()].denied.inc();
                }
            }
            Rejection::Refused(_) => {
                requests.refused.inc();
            }
            Rejection::Preflight { .. } => {
                requests.allowed.inc();
            }
        }
    }

    fn requests(&self, route: RouteId, tier: TierId) -> &Requests {
        &self.routes[route.index()][tier.index()]
    }
}

impl LimitMetrics {
    pub(crate) fn totals(&self) -> LimitTotals {
        LimitTotals {
            allowed: self.allowed.get(),
            denied: self.denied.get(),
            shadow_denied: self.shadow_denied.get(),
        }
    }
}
