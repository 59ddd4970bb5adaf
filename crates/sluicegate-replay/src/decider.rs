//! Decisions on events, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use http::{Method, Request, request::Parts};
use pollster::block_on;
use sluicegate::{Algorithm, Charge, Cost, ManualClock, Unit};
use sluicegate_policy::{
    Actual, ApiKeys, Extended, Judgement, LimitId, Mode, Outcome, Pass, Policy, RecordedRequest, Rejection,
    RouteId, TierId, Usage,
};

use crate::{
    Event, Moment,
    callers::Callers,
    durations::Durations,
    facts::has,
    record::{Change, Record, Reset},
    sites::{Sites, Store},
    tally::{Outcomes, Tally},
    virtual_time::move_to,
};

/// Decides events in the order of time, by the code that decides live requests.
pub(crate) struct Decider {
    sites: Sites,
    callers: Callers,
    limits: HashMap<String, LimitId>,
    clock: ManualClock,
    now: Option<Moment>,
    /// Reused for each request.
    head: Parts,
    running: HashMap<Id, Running>,
    /// The ends of requests that the log does not tell as events of their own.
    ends: BinaryHeap<Reverse<(Moment, u64)>>,
    requests: u64,
    durations: Durations,
    pub(crate) tally: Tally,
}

/// A request that runs: one of a decision log, or any other by its number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Id {
    Logged(u64),
    Numbered(u64),
}

/// A request whose end is still to come.
struct Running {
    /// `None` if the policy denies it. The log tells its end all the same.
    pass: Option<Box<Pass<Store>>>,
    began: Moment,
    route: RouteId,
    /// The tokens that it will have used.
    tokens: Option<Usage>,
    /// The limits whose charges the log tells.
    charged: Vec<LimitId>,
    /// The places of its charges in the limits' traces.
    traced: Vec<(LimitId, usize)>,
}

impl Decider {
    pub(crate) fn new(policy: Policy, api_keys: ApiKeys, traces: bool) -> Self {
        let clock = ManualClock::new();
        let limits = policy
            .limits
            .iter()
            .filter_map(|limit| Some((limit.name().to_owned(), policy.find_limit(limit.name())?)));
        Self {
            limits: limits.collect(),
            tally: Tally::new(&policy, traces),
            durations: Durations::default(),
            callers: Callers::new(api_keys),
            sites: Sites::new(policy, clock.clone()),
            clock,
            now: None,
            head: Request::new(()).into_parts().0,
            running: HashMap::new(),
            ends: BinaryHeap::new(),
            requests: 0,
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        self.sites.policy()
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.sites.evictions()
    }

    /// The number of requests that were decided.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Decides a request, or ends one.
    pub(crate) fn take(&mut self, event: Event) {
        let time = event.time();
        self.end_until(time);
        let is_late = !move_to(&self.clock, &mut self.now, time);
        match event {
            Event::Request(record) => {
                self.tally.late += u64::from(is_late);
                self.decide(*record);
            }
            Event::Extend(change) => self.extend(&change),
            Event::End(change) => self.end(Id::Logged(change.id), time, Some(&change)),
            Event::Start(start) => self.sites.start(start),
            Event::Reset(reset) => self.reset(&reset),
        }
    }

    /// Ends what still runs.
    pub(crate) fn finish(&mut self) {
        self.end_until(Moment::from_nanos(u64::MAX));
        for trace in self.tally.limits.iter_mut().filter_map(|limit| limit.trace.as_mut()) {
            trace.sort();
        }
    }

    /// Ends the requests that end until then.
    fn end_until(&mut self, time: Moment) {
        while let Some(Reverse((end, number))) =
            self.ends.peek().copied().filter(|Reverse((end, _))| *end <= time)
        {
            self.ends.pop();
            move_to(&self.clock, &mut self.now, end);
            self.end(Id::Numbered(number), end, None);
        }
    }

    fn decide(&mut self, record: Record) {
        let number = self.requests;
        self.requests += 1;
        let was_denied = record.was_denied();
        let Record {
            time,
            method,
            uri,
            client,
            headers,
            caller,
            values,
            status,
            duration,
            mut costs,
            tokens,
            decision,
        } = record;
        self.head.method = method;
        self.head.uri = uri;
        self.head.headers.clear();
        self.head.headers.extend(headers);
        if duration.is_some() || decision.is_some() {
            costs.push((Unit::Concurrent, Cost::ONE));
        }
        let gate = self.sites.gate(decision.as_ref().map(|decision| decision.id));
        let charges = decision.iter().flat_map(|decision| &decision.charges);
        let charges: Vec<_> =
            charges.filter_map(|(name, cost)| Some((*self.limits.get(name)?, *cost))).collect();
        let (api_key, tier) = self.callers.recognise(&caller);
        let tokens = tokens.filter(|_| !was_denied).map(|(input, output)| Usage::text(input, output));
        let warmup = decision.as_ref().and_then(|decision| decision.warmup);
        let request = RecordedRequest {
            api_key: api_key.as_ref(),
            tier,
            values: &values,
            charges: &charges,
            costs: &costs,
            tokens,
            warmup: warmup.filter(|_| gate.policy().warmup.is_some()),
            is_preflight: decision.is_none() && self.head.method == Method::OPTIONS,
            ..RecordedRequest::new(&self.head, client.as_deref().unwrap_or_default())
        };
        let outcome = block_on(gate.decide_recorded(&request));

        let policy = gate.policy();
        let mut judging = Judging {
            time,
            policy,
            request: &request,
            tally: &mut self.tally,
            traced: Vec::new(),
            limits: Vec::new(),
        };
        let (route, one) = match &outcome {
            Outcome::Admitted(pass) => {
                pass.judgements().for_each(|judgement| judging.judged(&judgement, pass.tier()));
                judging.unjudged(pass.route(), false);
                (pass.route(), Outcomes::ADMITTED)
            }
            Outcome::Rejected(Rejection::Denied(denied)) => {
                denied.judgements().for_each(|judgement| judging.judged(&judgement, denied.tier()));
                judging.unjudged(denied.route(), true);
                (denied.route(), Outcomes::DENIED)
            }
            Outcome::Rejected(rejection) => (rejection.route(), Outcomes::REFUSED),
        };
        let traced = judging.traced;
        self.tally.decided(time, route, one);
        if decision.is_some() || status.is_some() {
            self.tally.change.count(was_denied, one.denied > 0);
        }
        let pass = outcome.into_result().ok();
        let duration = duration.filter(|_| !was_denied);
        duration.into_iter().for_each(|nanos| self.durations.count(route, nanos));
        let holds_slots = pass.iter().flat_map(|pass| pass.charges()).any(is_slot);
        let id = match &decision {
            Some(decision) if !was_denied => Id::Logged(decision.id),
            _ if holds_slots || tokens.is_some() || !traced.is_empty() => {
                let is_guessed = was_denied && holds_slots;
                self.tally.guessed += u64::from(is_guessed);
                let nanos =
                    duration.unwrap_or_else(|| if was_denied { self.durations.mean(route) } else { 0 });
                self.ends.push(Reverse((time.later(nanos), number)));
                Id::Numbered(number)
            }
            _ => return,
        };
        let charged = charges.into_iter().map(|(limit, _)| limit).collect();
        self.running.insert(id, Running { pass, began: time, route, tokens, charged, traced });
    }

    /// Takes more for a request that runs, as the log tells.
    fn extend(&mut self, change: &Change) {
        let charges = self.charges(change);
        let gate = self.sites.gate(Some(change.id));
        let running = self.running.get_mut(&Id::Logged(change.id));
        let Some(pass) = running.and_then(|running| running.pass.as_mut()) else { return };
        if let Some(extension) = pass.recorded_extension(&charges)
            && let Extended::Taken(permit) = block_on(gate.extend(extension))
        {
            pass.extended(*permit);
        }
    }

    /// Resets those accounts that limits of the policy have, too.
    fn reset(&self, reset: &Reset) {
        let gate = self.sites.gate_of(Some(reset.process));
        for key in &reset.accounts {
            // A store in memory never fails.
            let _ = block_on(gate.reset(&gate.accounts(key, None)));
        }
    }

    /// Ends a request: settles its charges, and gives back its slots.
    fn end(&mut self, id: Id, time: Moment, change: Option<&Change>) {
        let Some(running) = self.running.remove(&id) else { return };
        let Running { pass, began, route, tokens, charged, traced } = running;
        let charges = change.map(|change| self.charges(change)).unwrap_or_default();
        if change.is_some() {
            self.durations.count(route, time.nanos().saturating_sub(began.nanos()));
        }
        let told = change.and_then(|change| change.tokens).map(|(input, output)| Usage::text(input, output));
        let policy = self.sites.policy();
        let actual = |limit: LimitId| match charges.iter().find(|(known, _)| *known == limit) {
            Some((_, cost)) => Some(*cost),
            // The log had this limit, and its charge stayed.
            None if charged.contains(&limit) => None,
            None => counted(policy, route, limit, &told.or(tokens)?),
        };
        for (limit, place) in traced {
            if let Some(trace) =
                self.tally.limits.get_mut(limit.index()).and_then(|limit| limit.trace.as_mut())
            {
                trace.end(time, place, actual(limit));
            }
        }
        let Some(pass) = pass else { return };
        // A store in memory never fails.
        let _ = match tokens.filter(|_| change.is_none()) {
            Some(usage) => block_on(pass.settle_tokens(&Actual::told(usage))),
            None => block_on(pass.settle_limits(actual)),
        };
    }

    /// The charges of a change, by the policy's limits.
    fn charges(&self, change: &Change) -> Vec<(LimitId, Cost)> {
        let known = |(name, cost): &(String, Cost)| Some((*self.limits.get(name)?, *cost));
        change.charges.iter().filter_map(known).collect()
    }
}

/// Counts the judgements on one request.
struct Judging<'a> {
    time: Moment,
    policy: &'a Policy,
    request: &'a RecordedRequest<'a>,
    tally: &'a mut Tally,
    /// The limits that judged it.
    limits: Vec<LimitId>,
    traced: Vec<(LimitId, usize)>,
}

impl Judging<'_> {
    fn judged(&mut self, judgement: &Judgement<'_>, tier: TierId) {
        self.limits.push(judgement.limit);
        self.tally.judged(self.time, judgement);
        let Some(limit) = self.tally.limits.get_mut(judgement.limit.index()) else { return };
        for (part, missing) in &mut limit.missing {
            *missing += u64::from(!has(part, self.request, &self.policy.tiers));
        }
        if let Some(trace) = &mut limit.trace
            && let Some(place) = trace.take(self.time, judgement.charge, tier)
        {
            self.traced.push((judgement.limit, place));
        }
    }

    /// Counts the limits of the route that could not judge. Limits in shadow mode judge no request that is denied.
    fn unjudged(&mut self, route: RouteId, is_denied: bool) {
        if self.request.is_preflight {
            return;
        }
        for id in self.policy.routes.get(route).limits() {
            let judges = !is_denied || self.policy.limit(*id).mode() == Mode::Enforce;
            if judges && !self.limits.contains(id) {
                self.tally.unjudged(*id);
            }
        }
    }
}

fn is_slot(charge: &Charge) -> bool {
    charge.quota.algorithm() == Algorithm::Concurrent
}

/// The cost of this usage on a limit of tokens.
fn counted(policy: &Policy, route: RouteId, limit: LimitId, usage: &Usage) -> Option<Cost> {
    let weights = policy.routes.get(route).meter().tokens()?.weights();
    Some(Cost::new(match policy.limit(limit).unit() {
        Unit::Tokens => usage.total(weights),
        Unit::InputTokens => usage.input(weights),
        Unit::OutputTokens => usage.output(weights),
        Unit::Requests | Unit::Items | Unit::Bytes | Unit::Usd | Unit::Concurrent => return None,
    }))
}
