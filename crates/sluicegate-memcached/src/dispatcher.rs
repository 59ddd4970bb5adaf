//! The queue of pending jobs, and their distribution to workers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sluicegate::Charge;
use sluicegate_remote::WallClock;
use tokio::{runtime::Handle, time::sleep};

use crate::{
    job::Job,
    key_names::KeyNames,
    link::{Failure, Link},
    location::Location,
    servers::Servers,
    worker::Worker,
};

/// The queue of pending jobs. One [`Worker`] does all jobs that touch the same servers, in rounds. So jobs of one process
/// never conflict, and a slow server delays only its own jobs.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) links: Vec<Link>,
    pub(crate) clock: WallClock,
    names: KeyNames,
    servers: Servers,
    runtime: Handle,
    /// The jobs that wait for each busy worker, by the set of its servers: the bit of each is set.
    waiting: Mutex<HashMap<u64, VecDeque<Job>>>,
}

impl Dispatcher {
    pub(crate) fn new(servers: Servers, names: KeyNames, clock: WallClock, runtime: &Handle) -> Self {
        let links = servers.iter().map(|server| Link::open(server.clone(), runtime)).collect();
        Self { links, clock, names, servers, runtime: runtime.clone(), waiting: Mutex::default() }
    }

    /// Finds the location of a charge's account.
    pub(crate) fn location(&self, charge: &Charge) -> Location {
        let name = self.names.account(&charge.key, charge.quota.algorithm());
        Location { name, server: self.home(charge) }
    }

    /// The server that keeps a charge's account.
    pub(crate) fn home(&self, charge: &Charge) -> usize {
        self.servers.home(|| self.names.neighbourhood(&charge.key))
    }

    /// Queues a job, and starts a worker if none is at work on its servers.
    pub(crate) fn dispatch(self: &Arc<Self>, job: Job) {
        let servers = job.accounts().fold(0, |servers, (_, location)| servers | 1 << location.server);
        let mut waiting = self.waiting();
        if let Some(queue) = waiting.get_mut(&servers) {
            if queue.len() < MOST_WAITING {
                queue.push_back(job);
            } else {
                job.abandon(&Failure::new("too many decisions wait for memcached; is it overloaded?"));
            }
            return;
        }
        waiting.insert(servers, VecDeque::from([job]));
        drop(waiting);
        self.runtime.spawn(Worker::new(Arc::clone(self), servers).work());
    }

    /// Queues a job after a while.
    pub(crate) fn dispatch_later(self: &Arc<Self>, job: Job) {
        let dispatcher = Arc::clone(self);
        self.runtime.spawn(async move {
            sleep(LATER).await;
            dispatcher.dispatch(job);
        });
    }

    /// Returns at most so many of the jobs that wait for a worker; `None` if there are none and the worker, which has no
    /// others, may end.
    pub(crate) fn next_jobs(&self, servers: u64, most: usize, is_idle: bool) -> Option<Vec<Job>> {
        let mut waiting = self.waiting();
        let queue = waiting.get_mut(&servers)?;
        if queue.is_empty() && is_idle {
            waiting.remove(&servers);
            return None;
        }
        let most = most.min(queue.len());
        Some(queue.drain(..most).collect())
    }

    /// Drops the jobs that wait for a worker which is gone: their callers learn that no answer comes.
    pub(crate) fn dismiss(&self, servers: u64) {
        let waiting = self.waiting().remove(&servers);
        drop(waiting);
    }

    /// The name of an item with which servers are tried.
    pub(crate) fn trial(&self) -> String {
        self.names.trial()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, VecDeque<Job>>> {
        // Queues are whole whatever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs that wait for one worker, beyond which more are refused.
const MOST_WAITING: usize = 8_192;
/// The time by which a job is postponed that cannot be done now.
const LATER: Duration = Duration::from_millis(50);
