//! The way of a request from its head to its outcome.

mod together;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::Context,
    time::Duration,
};

use http::request::Parts;
use sluicegate::{Clock, Resilient, Store, StoreError, Timestamp};
use sluicegate_metrics::GateMetrics;
use sluicegate_policy::{
    Caller, Counting, Foresight, Form, Gate, Hints, LimitAccount, Outcome, Pass, Reading, Refusal, Rejection,
    Renderer, Reservation, RouteId, Settlement, Visit,
};

use crate::{
    BusiestAccounts, Cut, DenialLog, Metering,
    busiest::Busiest,
    decision_log::{Asked, DecisionLog, Logged},
};

/// A gate, with the metrics of its decisions and the renderer of its outcomes.
///
/// Each request [enters](Self::enter), has its body [read](Entry::read) if the decision needs it, and is
/// [decided](Entry::decide). Every rejection on that way has been counted when a caller gets it. The duration of a decision
/// leaves out the time for which the client was waited for.
#[derive(Debug)]
pub struct Admission<S: Store, C> {
    gate: Arc<Gate<S>>,
    /// Made when it is first needed.
    foresight: OnceLock<Gate<Foresight<S>>>,
    renderer: Renderer,
    metrics: GateMetrics,
    busiest: Option<Busiest>,
    log: Option<DecisionLog>,
    clock: C,
}

/// A request that has entered and is not decided yet.
#[derive(Debug)]
pub struct Entry<'a, S: Store, C> {
    admission: &'a Admission<S, C>,
    visit: Visit<'a>,
    began: Timestamp,
}

/// A request that may pass.
#[derive(Debug)]
pub struct Admitted<S: Store> {
    /// Its permit, to be held until the last byte of the response.
    pub pass: Box<Pass<S>>,
    /// The form in which its client expects an answer.
    pub form: Form,
    /// The time of the decision.
    pub decided: Timestamp,
    /// Its place in the decision log, if there is one.
    pub logged: Option<Logged>,
}

impl<S: Resilient, C: Clock> Admission<S, C> {
    /// An admission by this gate. The clock only measures durations.
    #[must_use]
    pub fn new(gate: Arc<Gate<S>>, metrics: GateMetrics, clock: C) -> Self {
        let renderer = Renderer::new(gate.policy());
        Self { gate, foresight: OnceLock::new(), renderer, metrics, busiest: None, log: None, clock }
    }

    /// The same admission, which counts what accounts use [while somebody watches](Self::watch_accounts). Their keys are written
    /// like those of this log.
    #[must_use]
    pub fn with_accounts(self, log: DenialLog) -> Self {
        Self { busiest: Some(Busiest::new(log, self.gate.policy())), ..self }
    }

    /// Returns the accounts that use most of each limit, and counts them for the next hour. `None` unless it was made
    /// [with accounts](Self::with_accounts).
    ///
    /// Every account that has asked for more than 1/32 of what a limit was asked for is listed.
    pub fn watch_accounts(&self) -> Option<BusiestAccounts> {
        let (busiest, now) = (self.busiest.as_ref()?, self.clock.now());
        busiest.watch(now);
        Some(busiest.list(now))
    }

    /// The same, and each decision goes to this log, if it is one.
    #[must_use]
    pub fn with_log(self, log: Option<DecisionLog>) -> Self {
        Self { log, ..self }
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate<S>> {
        &self.gate
    }

    /// The gate that decides [without a trace](Gate::foresight), and whose decisions are not counted.
    #[must_use]
    pub fn foresight(&self) -> &Gate<Foresight<S>> {
        self.foresight.get_or_init(|| self.gate.foresight())
    }

    /// The renderer of its outcomes.
    #[must_use]
    pub fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    /// Counts a request that ends.
    pub(crate) fn settled(&self, pass: &Pass<S>, reservation: &Reservation, settlement: &Settlement) {
        self.metrics.settled(pass.route(), reservation, settlement);
        if let (Some(busiest), Settlement::Used(actual)) = (&self.busiest, settlement)
            && busiest.counts(|| self.clock.now()).is_some()
        {
            busiest.settled(pass, actual);
        }
    }

    pub(crate) fn log(&self) -> Option<&DecisionLog> {
        self.log.as_ref()
    }

    /// Returns the time since `then`, by the clock of [`Admitted::decided`].
    #[must_use]
    pub fn since(&self, then: Timestamp) -> Duration {
        self.clock.now().since(then)
    }

    /// Lets a request enter by its head.
    ///
    /// # Errors
    ///
    /// The rejection, as of [`Gate::enter`].
    pub async fn enter<'a>(&'a self, head: &'a Parts, peer: IpAddr) -> Result<Entry<'a, S, C>, Rejection> {
        self.enter_with(head, peer, Hints::default()).await
    }

    /// Lets a request enter whose cost an application knows.
    ///
    /// # Errors
    ///
    /// The rejection, as of [`Gate::enter_with`].
    pub async fn enter_with<'a>(
        &'a self,
        head: &'a Parts,
        peer: IpAddr,
        hints: Hints<'a>,
    ) -> Result<Entry<'a, S, C>, Rejection> {
        let began = self.clock.now();
        let entered = self.gate.enter_with(head, peer, hints).await;
        self.entry(entered, head, peer, began)
    }

    /// Lets a request enter whose route an application has found.
    ///
    /// # Errors
    ///
    /// The rejection, as of [`Gate::enter_route`].
    pub async fn enter_route<'a>(
        &'a self,
        route: RouteId,
        head: &'a Parts,
        peer: IpAddr,
        hints: Hints<'a>,
    ) -> Result<Entry<'a, S, C>, Rejection> {
        let began = self.clock.now();
        let entered = self.gate.enter_route(route, head, peer, hints).await;
        self.entry(entered, head, peer, began)
    }

    /// Takes more tokens for a request that runs, as [`Metering::extend`], and logs that.
    pub fn extend(
        &self,
        pass: &mut Pass<S>,
        metering: &mut Metering<S>,
        logged: Option<&Logged>,
        cx: &mut Context<'_>,
    ) -> Option<Cut> {
        let before = pass.extended_charges().count();
        let cut = metering.extend(pass, &self.gate, cx);
        if let (Some(log), Some(logged)) = (&self.log, logged)
            && pass.extended_charges().count() > before
        {
            log.extended(logged, pass);
        }
        cut
    }

    /// Forgets what was spent on these accounts, as [`Gate::reset`], and logs that.
    ///
    /// # Errors
    ///
    /// As of [`Gate::reset`].
    pub async fn reset(&self, accounts: &[LimitAccount]) -> Result<(), StoreError> {
        self.gate.reset(accounts).await?;
        if let Some(log) = &self.log {
            log.reset(accounts.iter().map(|account| account.key().as_str()));
        }
        Ok(())
    }

    /// Refuses a request whose head cannot be read as one. The decision log has no such requests.
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> Rejection {
        self.counted(self.gate.refused(refusal))
    }

    fn entry<'a>(
        &'a self,
        entered: Result<Visit<'a>, Rejection>,
        head: &Parts,
        peer: IpAddr,
        began: Timestamp,
    ) -> Result<Entry<'a, S, C>, Rejection> {
        match entered {
            Ok(visit) => Ok(Entry { admission: self, visit, began }),
            Err(rejection) => {
                if let Some(log) = &self.log {
                    let client = self.gate.account_ip(head, peer).to_string();
                    log.rejected(&Asked::rejected(head, &client, &rejection), &rejection);
                }
                Err(self.counted(rejection))
            }
        }
    }

    fn counted(&self, rejection: Rejection) -> Rejection {
        self.metrics.rejected(&rejection);
        if let (Rejection::Denied(denied), Some(busiest)) = (&rejection, &self.busiest)
            && let Some(now) = busiest.counts(|| self.clock.now())
        {
            busiest.denied(denied, now);
        }
        rejection
    }
}

impl<S: Resilient, C: Clock> Entry<'_, S, C> {
    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.visit.route()
    }

    /// The caller, as far as the head tells.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.visit.caller()
    }

    /// Has as much of the body read as the decision needs. Returns `None`, and leaves the body alone, if it needs none.
    ///
    /// # Errors
    ///
    /// The rejection, if `read` refuses the body.
    pub async fn read<F>(
        &mut self,
        read: impl FnOnce(Box<Reading>) -> F,
    ) -> Result<Option<Box<Reading>>, Rejection>
    where
        F: Future<Output = Result<Box<Reading>, Refusal>>,
    {
        let Some(reading) = self.visit.take_reading() else { return Ok(None) };
        let clock = &self.admission.clock;
        let asked = clock.now();
        let read = read(reading).await;
        // The client's time is no part of the decision's.
        self.began = self.began + clock.now().since(asked);
        match read {
            Ok(reading) => Ok(Some(reading)),
            Err(refusal) => Err(self.rejected(self.visit.refused(refusal))),
        }
    }

    /// Has the input counted, if the route wants that [done](Gate::counting). `count` returns `None` for input that it could not
    /// count, whose estimate stays.
    pub async fn count<F>(&mut self, reading: Option<&Reading>, count: impl FnOnce(Counting) -> F)
    where
        F: Future<Output = Option<u64>>,
    {
        let Admission { gate, clock, .. } = self.admission;
        let Some(counting) = gate.counting(&mut self.visit, reading).await else { return };
        let asked = clock.now();
        if let Some(tokens) = count(counting).await {
            self.visit.counted(tokens);
        }
        // The time of counting is no part of the decision's.
        self.began = self.began + clock.now().since(asked);
    }

    /// Decides the request, by the body that was [read](Self::read).
    ///
    /// # Errors
    ///
    /// The rejection, as of [`Gate::decide`].
    pub async fn decide(self, reading: Option<&Reading>) -> Result<Admitted<S>, Rejection> {
        let Admission { gate, renderer, metrics, busiest, log, clock, .. } = self.admission;
        match gate.decide(&self.visit, reading).await {
            Outcome::Admitted(pass) => {
                let decided = clock.now();
                metrics.passed(&pass, decided.since(self.began));
                if let Some(busiest) = busiest
                    && busiest.counts(|| decided).is_some()
                {
                    busiest.passed(&pass, decided);
                }
                let logged = log.as_ref().map(|log| log.admitted(&self.visit, &pass));
                let form = renderer.form(self.visit.head(), self.visit.route());
                Ok(Admitted { pass, form, decided, logged })
            }
            Outcome::Rejected(rejection) => Err(self.rejected(rejection)),
        }
    }

    fn rejected(&self, rejection: Rejection) -> Rejection {
        if let Some(log) = &self.admission.log {
            log.rejected(&Asked::of(&self.visit), &rejection);
        }
        self.admission.counted(rejection)
    }
}
