//! The task that sends requests to Redis, in batches of those that wait.

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
    job::{Job, ReplyTo, UnclaimedReply},
    leases::Leases,
    link::RESPONSE_TIMEOUT,
    link_pool::{Change, LinkPool},
    link_state::{LONGEST_PAUSE, PAUSE},
    server_time::ServerTime,
    servers::Servers,
    slot_map::{Number, SlotMap},
    slot_queue::SlotQueue,
    statistics::Counters,
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

/// Drives requests, for each slot of a cluster on its own. It sends a request at once if no other is in flight, and
/// batches the rest. Takes wait for their timeout at most; settlements are retried until they are executed.
pub(crate) struct Driver {
    settings: Settings,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// The way back into the queue, for slots to give back.
    outgoing: mpsc::WeakUnboundedSender<Job>,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
    links: LinkPool,
    queues: HashMap<u16, SlotQueue>,
    in_flight: FuturesUnordered<BoxFuture<'static, Completed>>,
    deadlines: Deadlines<Waiting>,
    /// Settlements that failed, until they are retried.
    later: VecDeque<(Instant, Job)>,
    /// Requests that a server could not execute for the moment, and certainly has not.
    paused: VecDeque<(Instant, Job)>,
    heartbeat: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// A caller that waits for a reply.
struct Waiting {
    reply_to: ReplyTo,
    slot: u16,
    /// `true` if the request is retried after its caller's deadline.
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

    /// Runs until the store is dropped, and then until the remaining settlements are executed.
    pub(crate) async fn run(mut self) {
        let mut until: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                Some(completed) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    let (slot, several) = (completed.batch.slot, completed.batch.jobs.len() > 1);
                    self.complete(completed);
                    if several && self.queues.get(&slot).is_some_and(SlotQueue::waits_for_more) {
                        // Callers that got their replies may ask again at once: they should form one batch.
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

    /// Accepts all jobs that have arrived.
    fn accept_all(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.accept(job);
        }
    }

    fn accept(&mut self, mut job: Job) {
        if job.sent.is_none() && !job.reply_to.is_closed() {
            let timeout = if job.patient { RESPONSE_TIMEOUT } else { self.settings.timeout };
            let until = Instant::now() + timeout;
            job.until = Some(until);
            if !job.patient {
                let (slot, goes_on) = (job.request.slot, job.request.is_durable());
                self.deadlines.push(until, Waiting { reply_to: job.reply_to.clone(), slot, goes_on });
                self.wake_at(until);
            }
        }
        self.queues.entry(job.request.slot).or_default().push(job);
    }

    /// Sends the batches that are ready.
    fn send(&mut self) {
        let mut soon = None;
        for (slot, queue) in &mut self.queues {
            let Some((number, generation, link)) = self.links.link(*slot) else {
                if queue.has_waiting() {
                    // It is answered when the next attempt to connect fails.
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

    /// Fails a request that certainly was not executed. A settlement is retried.
    fn fail_unexecuted(&mut self, job: Job, error: StoreError) {
        if job.request.is_durable() {
            self.fail(job, error);
        } else {
            job.reply_to.send(Err(error));
        }
    }

    /// Fails a request that may have been executed. A settlement is retried.
    fn fail(&mut self, job: Job, error: StoreError) {
        let too_late = job.sent.is_some_and(|sent| sent.elapsed() >= RETRIES);
        if !job.request.is_durable() {
            // Charges that it took stay taken; slots are given back.
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
                // The server may have forgotten leases meanwhile.
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

    /// Fails the requests that wait for an unreachable server. Those in flight fail by themselves.
    fn give_up(&mut self, number: Number) {
        let mut stranded = Vec::new();
        for (slot, queue) in &mut self.queues {
            if self.settings.map.owner(*slot) == number {
                stranded.extend(queue.recall());
            }
        }
        for job in stranded {
            if let Some(error) = self.links.trouble(number) {
                self.fail_unexecuted(job, error);
            }
        }
    }

    /// Does what is due, and sets the alarm to the next deadline.
    fn keep_time(&mut self) {
        let now = Instant::now();
        while let Some(caller) = self.deadlines.pop_late(now) {
            caller.reply_to.send(if caller.goes_on {
                Ok(UnclaimedReply::queued())
            } else {
                Err(self.late(caller.slot))
            });
        }
        self.links.keep_time(now);
        for _ in 0..self.later.len() {
            let Some((_, job)) = self.later.pop_front_if(|(again, _)| *again <= now) else { break };
            match self.links.link(job.request.slot) {
                Some(_) => self.accept(job),
                // An event tells when the connection is open.
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
            self.links.server_info(server).name,
            self.settings.timeout
        ))
        .at(self.settings.map.server(slot))
    }

    fn wake_at(&mut self, at: Instant) {
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
    }

    /// Renews leases that have not been renewed for this long, on servers with an open connection.
    fn renew(&mut self, older_than: Duration) {
        let (queues, links) = (&mut self.queues, &self.links);
        self.leases.renew(older_than, |renewal| {
            // The others are renewed when their server is back.
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

/// Checks for renewals in the lifetime of a lease.
const BEATS: u32 = 12;
/// The time after its first attempt in which a settlement is retried: less than its mark is kept (60 s).
const RETRIES: Duration = Duration::from_secs(45);
const MOST_LATER: usize = 65_536;
/// The time in which a dropped store finishes its settlements.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
