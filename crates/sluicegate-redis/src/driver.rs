//! The task that sends requests to Redis, as many together as are waiting.

mod completion;
mod in_flight;

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use sluicegate::StoreError;
use sluicegate_remote::{Caller, Deadlines, jittered};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};

use self::in_flight::{Completed, InFlight};
use crate::{
    counts::Counters,
    job::{Answer, Job, ReplyTo},
    leases::Leases,
    link::RESPONSE_TIMEOUT,
    link_pool::{Change, LinkPool},
    link_state::{LONGEST_PAUSE, PAUSE},
    server_time::ServerTime,
    servers::Servers,
    slot_map::{Number, SlotMap},
    slot_queue::SlotQueue,
};

/// Settings of the driver.
pub(crate) struct Settings {
    pub(crate) servers: Servers,
    pub(crate) map: Arc<SlotMap>,
    /// The maximum time that a take waits for its result.
    pub(crate) timeout: Duration,
    /// The duration of a lease.
    pub(crate) lease: Duration,
    pub(crate) time: Arc<ServerTime>,
}

/// Drives requests: sends at once what comes while nothing is on its way, and collects the rest, for each slot of
/// a cluster on its own. Takes wait for their timeout at most; settlements are sent again until they are done.
pub(crate) struct Driver {
    settings: Settings,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// The queue for slots to give back.
    outgoing: mpsc::WeakUnboundedSender<Job>,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
    links: LinkPool,
    queues: HashMap<u16, SlotQueue>,
    in_flight: FuturesUnordered<BoxFuture<'static, Completed>>,
    deadlines: Deadlines<Waiting>,
    /// Settlements that could not be carried, until they are tried again.
    later: VecDeque<(Instant, Job)>,
    /// Requests that a server could not do for the moment, and certainly has not done.
    paused: VecDeque<(Instant, Job)>,
    heartbeat: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// A caller that waits for an answer.
struct Waiting {
    reply_to: ReplyTo,
    slot: u16,
    /// `true` if the request goes on after its caller's deadline.
    goes_on: bool,
}

impl Driver {
    pub(crate) fn new(
        settings: Settings,
        (outgoing, jobs): (mpsc::WeakUnboundedSender<Job>, mpsc::UnboundedReceiver<Job>),
        leases: Arc<Leases>,
        counters: Arc<Counters>,
    ) -> Self {
        let links = LinkPool::new(settings.servers.clone(), Arc::clone(&settings.map));
        let heartbeat = Instant::now() + settings.lease / BEATS;
        Self {
            settings,
            jobs,
            outgoing,
            leases,
            counters,
            links,
            queues: HashMap::new(),
            in_flight: FuturesUnordered::new(),
            deadlines: Deadlines::default(),
            later: VecDeque::new(),
            paused: VecDeque::new(),
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
                Some(completed) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    let (slot, several) = (completed.batch.slot, completed.batch.jobs.len() > 1);
                    self.complete(completed);
                    if several && self.queues.get(&slot).is_some_and(SlotQueue::waits_for_more) {
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
                    None => until = Some(Instant::now() + SHUTDOWN_GRACE),
                },
                change = self.links.next() => self.changed(&change),
                () = &mut self.alarm => self.keep_time(),
            }
            self.send();
            self.queues.retain(|_, queue| !queue.is_idle());
            let idle = self.queues.is_empty() && self.later.is_empty() && self.paused.is_empty();
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

    fn accept(&mut self, mut job: Job) {
        if job.sent.is_none() && !job.reply_to.is_closed() {
            let patience = if job.patient { RESPONSE_TIMEOUT } else { self.settings.timeout };
            let until = Instant::now() + patience;
            job.until = Some(until);
            if !job.patient {
                let (slot, goes_on) = (job.request.slot, job.request.is_durable());
                self.deadlines.push(until, Waiting { reply_to: job.reply_to.clone(), slot, goes_on });
                self.wake_at(until);
            }
        }
        self.queues.entry(job.request.slot).or_default().push(job);
    }

    /// Sends whatever may go.
    fn send(&mut self) {
        let mut soon = None;
        for (slot, queue) in &mut self.queues {
            let Some((number, generation, link)) = self.links.link(*slot) else {
                if queue.has_waiting() {
                    // It is answered when the server could not be reached once more.
                    soon = soon.into_iter().chain(self.links.hasten(*slot)).min();
                }
                continue;
            };
            while let Some(mut jobs) = queue.next_batch() {
                let at = Instant::now();
                for job in &mut jobs {
                    job.sent.get_or_insert(at);
                }
                let batch = InFlight { slot: *slot, number, generation, jobs, at, asking: false };
                self.counters.round_trips.fetch_add(1, Ordering::Relaxed);
                let (time, lease) = self.settings.terms();
                self.in_flight.push(Box::pin(batch.call(link.clone(), time, lease)));
            }
        }
        if let Some(soon) = soon {
            self.wake_at(soon);
        }
    }

    /// A request was certainly not done.
    fn not_carried(&mut self, job: Job, error: StoreError) {
        if job.request.is_durable() {
            self.fail(job, error);
        } else {
            job.reply_to.send(Err(error));
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
            job.reply_to.send(Err(error));
        } else if too_late || self.later.len() >= MOST_LATER {
            self.counters.lost_settlements.fetch_add(1, Ordering::Relaxed);
            job.reply_to.send(Err(error));
        } else {
            self.put_off(job);
        }
    }

    fn put_off(&mut self, job: Job) {
        let again = Instant::now() + jittered(PAUSE);
        self.later.push_back((again, job));
        self.wake_at(again);
    }

    fn changed(&mut self, change: &Change) {
        match change {
            Change::Opened => {
                // Whatever was forgotten meanwhile, what is held is held.
                self.renew(Duration::ZERO);
                for (again, job) in std::mem::take(&mut self.later) {
                    match self.links.link(job.request.slot) {
                        Some(_) => self.accept(job),
                        None => self.later.push_back((again, job)),
                    }
                }
            }
            Change::Failed(number) => self.give_up(*number),
            Change::Nothing => {}
        }
        if let Some(due) = self.links.due() {
            self.wake_at(due);
        }
    }

    /// Answers whoever waits for a server that cannot be reached. What is on its way comes back by itself.
    fn give_up(&mut self, number: Number) {
        let mut stranded = Vec::new();
        for (slot, queue) in &mut self.queues {
            if self.settings.map.owner(*slot) == number {
                stranded.extend(queue.recall());
            }
        }
        for job in stranded {
            if let Some(error) = self.links.trouble(number) {
                self.not_carried(job, error);
            }
        }
    }

    /// Does what is due, and sets the alarm for what comes next.
    fn keep_time(&mut self) {
        let now = Instant::now();
        while let Some(caller) = self.deadlines.pop_late(now) {
            caller.reply_to.send(if caller.goes_on {
                Ok(Answer::carried())
            } else {
                Err(self.late(caller.slot))
            });
        }
        self.links.keep_time(now);
        for _ in 0..self.later.len() {
            let Some((_, job)) = self.later.pop_front_if(|(again, _)| *again <= now) else { break };
            match self.links.link(job.request.slot) {
                Some(_) => self.accept(job),
                // Once it is open, that is told.
                None => self.later.push_back((now + LONGEST_PAUSE, job)),
            }
        }
        while let Some((_, job)) = self.paused.pop_front_if(|(again, _)| *again <= now) {
            self.again(job);
        }
        if self.heartbeat <= now {
            self.heartbeat = now + self.settings.lease / BEATS;
            self.renew(self.settings.lease / 3);
        }
        let first = |jobs: &VecDeque<(Instant, Job)>| jobs.front().map(|(again, _)| *again);
        let next = [self.links.due(), first(&self.later), first(&self.paused), self.deadlines.first()];
        let next = next.into_iter().flatten().fold(self.heartbeat, Instant::min);
        self.alarm.as_mut().reset(next);
    }

    /// Returns the error of a call that was not answered in time.
    fn late(&self, slot: u16) -> StoreError {
        let server = self.settings.map.owner(slot);
        StoreError::new(format!(
            "Redis at {} did not answer within {:?}",
            self.links.place(server).name,
            self.settings.timeout
        ))
        .at(self.settings.map.server(slot))
    }

    fn wake_at(&mut self, at: Instant) {
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
    }

    /// Renews the leases that were not for so long, where there is a connection to do it over.
    fn renew(&mut self, older_than: Duration) {
        let (queues, links) = (&mut self.queues, &self.links);
        self.leases.renew(older_than, |renewal| {
            // Others are renewed once their server is there again.
            if links.link(renewal.slot).is_some() {
                queues.entry(renewal.slot).or_default().push(Job::unattended(renewal));
            }
        });
    }
}

impl Caller for Waiting {
    fn waits(&self) -> bool {
        !self.reply_to.is_closed()
    }
}

impl Settings {
    /// Returns the times that a call carries: the least time of the decision, and the microseconds that leases last.
    fn terms(&self) -> (String, u64) {
        (self.time.argument(), u64::try_from(self.lease.as_micros()).unwrap_or(u64::MAX))
    }
}

/// Looks for leases to renew, in the life of one.
const BEATS: u32 = 12;
/// The time after its first attempt in which a settlement is retried: less than its mark is kept (60 s).
const RETRIES: Duration = Duration::from_secs(45);
const MOST_LATER: usize = 65_536;
/// How long a store that is dropped goes on settling.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
