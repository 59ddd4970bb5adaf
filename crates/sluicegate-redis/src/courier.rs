//! The task that carries requests to Redis, as many together as are waiting.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use sluicegate::StoreError;
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    address::Address,
    call::Call,
    counts::Counters,
    error::{ends_connection, explained},
    job::{Answer, Asker, Job},
    lane::Lane,
    leases::Leases,
    link::{Link, Servers},
    reply::Replies,
    server_time::ServerTime,
};

/// What the courier needs to know.
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) servers: Servers,
    /// How long a take may wait for its answer.
    pub(crate) timeout: Duration,
    /// How long a lease lasts.
    pub(crate) lease: Duration,
    pub(crate) time: ServerTime,
}

/// Carries requests: sends at once what comes while nothing is on its way, and collects the rest, for each slot of
/// a cluster on its own. Takes wait for their timeout at most; settlements are carried again until they are done.
pub(crate) struct Courier {
    settings: Settings,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Where slots are given back that nobody wants.
    outgoing: mpsc::WeakUnboundedSender<Job>,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
    line: Line,
    /// Connections that could not be opened, or broke, since one was.
    failures: u32,
    lanes: HashMap<u16, Lane>,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// Who waits, in the order in which their time is up; and whether what they ask goes on without them.
    waiting: VecDeque<(Instant, Asker, bool)>,
    /// Settlements that could not be carried, until they are tried again.
    later: VecDeque<(Instant, Job)>,
    heartbeat: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// The connection.
enum Line {
    Opening(BoxFuture<'static, RedisResult<Link>>),
    Open(Link),
    Broken { error: RedisError, again: Instant },
}

/// A batch that has come back.
struct Landed {
    slot: u16,
    jobs: Vec<Job>,
    result: RedisResult<Value>,
}

impl Courier {
    pub(crate) fn new(
        settings: Settings,
        (outgoing, jobs): (mpsc::WeakUnboundedSender<Job>, mpsc::UnboundedReceiver<Job>),
        leases: Arc<Leases>,
        counters: Arc<Counters>,
    ) -> Self {
        let line = Line::Opening(settings.servers.clone().connect().boxed());
        let heartbeat = Instant::now() + settings.lease / BEATS;
        Self {
            settings,
            jobs,
            outgoing,
            leases,
            counters,
            line,
            failures: 0,
            lanes: HashMap::new(),
            flights: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            later: VecDeque::new(),
            heartbeat,
            alarm: Box::pin(sleep_until(heartbeat)),
        }
    }

    /// Carries until nobody can ask any more, and then what is left to settle.
    pub(crate) async fn run(mut self) {
        let mut until: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => {
                    let (slot, several) = (landed.slot, landed.jobs.len() > 1);
                    self.land(landed);
                    if several && self.lanes.get(&slot).is_some_and(Lane::waits_for_more) {
                        // Who was answered may ask again at once: they make one batch, not a single and the rest.
                        tokio::task::yield_now().await;
                        self.accept_all();
                    }
                }
                job = self.jobs.recv(), if until.is_none() => match job {
                    Some(job) => {
                        self.accept(job);
                        self.accept_all();
                    }
                    None => until = Some(Instant::now() + FAREWELL),
                },
                link = opened(&mut self.line) => self.opened(link),
                () = &mut self.alarm => self.keep_time(),
            }
            self.send();
            self.lanes.retain(|_, lane| !lane.is_idle());
            let idle = self.lanes.is_empty() && self.later.is_empty();
            if until.is_some_and(|until| idle || Instant::now() >= until) {
                return;
            }
        }
    }

    /// Accepts all that has been asked by now.
    fn accept_all(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.accept(job);
        }
    }

    fn accept(&mut self, job: Job) {
        if !job.patient && job.sent.is_none() && job.asker.waits() {
            let until = Instant::now() + self.settings.timeout;
            self.waiting.push_back((until, job.asker.clone(), job.request.is_durable()));
            self.wake_at(until);
        }
        if let Line::Broken { error, .. } = &self.line {
            let error = explained(error, &self.settings.address);
            return self.not_carried(job, error);
        }
        self.lanes.entry(job.request.slot).or_default().push(job);
    }

    /// Sends whatever may go.
    fn send(&mut self) {
        let Line::Open(link) = &self.line else { return };
        for (slot, lane) in &mut self.lanes {
            while let Some(mut jobs) = lane.next_batch() {
                let now = Instant::now();
                for job in &mut jobs {
                    job.sent.get_or_insert(now);
                }
                let time = self.settings.time.argument();
                let lease = u64::try_from(self.settings.lease.as_micros()).unwrap_or(u64::MAX);
                let (mut link, slot) = (link.clone(), *slot);
                self.counters.round_trips.fetch_add(1, Ordering::Relaxed);
                self.flights.push(
                    async move {
                        let call = Call::of(jobs.iter().map(|job| &*job.request));
                        let mut result = link.call(&call.evalsha(&time, lease)).await;
                        // A server that was restarted, flushed or promoted has not seen the script; nothing was done.
                        if result.as_ref().is_err_and(is_unknown_script) {
                            result = link.call(&call.eval(&time, lease)).await;
                        }
                        drop(call);
                        Landed { slot, jobs, result }
                    }
                    .boxed(),
                );
            }
        }
    }

    fn land(&mut self, Landed { slot, jobs, result }: Landed) {
        if let Some(lane) = self.lanes.get_mut(&slot) {
            lane.landed();
        }
        match result {
            Ok(value) => self.deliver(jobs, value),
            Err(error) => {
                for job in jobs {
                    self.fail(job, explained(&error, &self.settings.address));
                }
                if ends_connection(&error) && matches!(&self.line, Line::Open(link) if !link.mends_itself()) {
                    self.broken(&error);
                }
            }
        }
    }

    fn deliver(&mut self, jobs: Vec<Job>, value: Value) {
        let mut replies = Replies::of(value);
        if let Some(replies) = &replies {
            self.settings.time.heard(replies.now());
        }
        for job in jobs {
            let reply = replies.as_mut().and_then(|replies| replies.next(&job.request));
            job.asker.answer(match reply {
                Some(reply) => Ok(Answer::new(reply, &job.request, &self.outgoing)),
                None => Err(StoreError::misconfigured(format!(
                    "Redis at {} answered something that is no answer of the script",
                    self.settings.address
                ))),
            });
        }
    }

    /// A request may have been done or not.
    fn fail(&mut self, job: Job, error: StoreError) {
        let too_late = job.sent.is_some_and(|sent| sent.elapsed() >= RETRIES);
        if !job.request.is_durable() {
            // Its charges stay taken, if they were; its slots do not.
            if let Some(release) = job.request.release() {
                self.put_off(Job::unattended(release));
            }
            job.asker.answer(Err(error));
        } else if too_late || self.later.len() >= MOST_LATER {
            self.counters.lost_settlements.fetch_add(1, Ordering::Relaxed);
            job.asker.answer(Err(error));
        } else {
            self.put_off(job);
        }
    }

    /// A request was certainly not done.
    fn not_carried(&mut self, job: Job, error: StoreError) {
        match job.request.is_durable() {
            true => self.fail(job, error),
            false => job.asker.answer(Err(error)),
        }
    }

    fn put_off(&mut self, job: Job) {
        let again = Instant::now() + jittered(PAUSE);
        self.later.push_back((again, job));
        self.wake_at(again);
    }

    fn opened(&mut self, link: RedisResult<Link>) {
        match link {
            Ok(link) => {
                self.line = Line::Open(link);
                self.failures = 0;
                // Whatever was forgotten meanwhile, what is held is held.
                self.renew(Duration::ZERO);
                for (_, job) in std::mem::take(&mut self.later) {
                    self.accept(job);
                }
            }
            Err(error) => self.broken(&error),
        }
    }

    fn broken(&mut self, error: &RedisError) {
        let pause = (PAUSE * 2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
        self.failures = (self.failures + 1).min(8);
        let again = Instant::now() + jittered(pause);
        self.line = Line::Broken { error: error.clone(), again };
        self.wake_at(again);
        // What is still on its way comes back by itself.
        let queued: Vec<Job> = self.lanes.values_mut().flat_map(Lane::recall).collect();
        for job in queued {
            self.not_carried(job, explained(error, &self.settings.address));
        }
    }

    /// Does what is due, and sets the alarm for what comes next.
    fn keep_time(&mut self) {
        let now = Instant::now();
        while self.waiting.front().is_some_and(|(until, asker, _)| *until <= now || !asker.waits()) {
            if let Some((_, asker, goes_on)) = self.waiting.pop_front() {
                asker.answer(match goes_on {
                    true => Ok(Answer::carried()),
                    false => Err(StoreError::new(format!(
                        "Redis at {} did not answer within {:?}",
                        self.settings.address, self.settings.timeout
                    ))),
                });
            }
        }
        if matches!(&self.line, Line::Broken { again, .. } if *again <= now) {
            self.line = Line::Opening(self.settings.servers.clone().connect().boxed());
        }
        if matches!(self.line, Line::Open(_)) {
            while self.later.front().is_some_and(|(again, _)| *again <= now) {
                let job = self.later.pop_front();
                job.into_iter().for_each(|(_, job)| self.accept(job));
            }
        }
        if self.heartbeat <= now {
            self.heartbeat = now + self.settings.lease / BEATS;
            self.renew(self.settings.lease / 3);
        }
        let again = match (&self.line, self.later.front()) {
            (Line::Broken { again, .. }, _) | (Line::Open(_), Some((again, _))) => Some(*again),
            _ => None,
        };
        let until = self.waiting.front().map(|(until, ..)| *until);
        let next = [again, until].into_iter().flatten().fold(self.heartbeat, Instant::min);
        self.alarm.as_mut().reset(next);
    }

    fn wake_at(&mut self, at: Instant) {
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
    }

    /// Renews the leases that were not for so long, while there is a connection to do it over.
    fn renew(&mut self, older_than: Duration) {
        if !matches!(self.line, Line::Open(_)) {
            return;
        }
        let lanes = &mut self.lanes;
        self.leases.renew(older_than, |renewal| {
            lanes.entry(renewal.slot).or_default().push(Job::unattended(renewal));
        });
    }
}

/// The connection, once it is open or has failed to.
async fn opened(line: &mut Line) -> RedisResult<Link> {
    match line {
        Line::Opening(link) => link.await,
        Line::Open(_) | Line::Broken { .. } => std::future::pending().await,
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// From half of it to all of it, so that many instances do not come back as one.
fn jittered(pause: Duration) -> Duration {
    // Without random numbers there is no jitter, and nothing worse.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// Looks for leases to renew, in the life of one.
const BEATS: u32 = 12;
/// Before the first try to connect again, or to settle again.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// How long after its first try a settlement is tried again: less than its mark is kept (60 s).
const RETRIES: Duration = Duration::from_secs(45);
const MOST_LATER: usize = 65_536;
/// How long a store that is dropped goes on settling.
const FAREWELL: Duration = Duration::from_secs(1);
