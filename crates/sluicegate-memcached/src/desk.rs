//! The queue of pending jobs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sluicegate::Charge;
use sluicegate_remote::WallClock;
use tokio::{runtime::Handle, time::sleep};

use crate::{
    clerk::Clerk,
    job::Job,
    key_names::KeyNames,
    link::{Failure, Link},
    place::Place,
    servers::Servers,
};

/// The queue of pending jobs. One [`Clerk`] does all jobs that touch the same servers, in batches. So jobs of
/// one process never conflict, and a slow server delays only its own jobs.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) links: Vec<Link>,
    pub(crate) clock: WallClock,
    names: KeyNames,
    servers: Servers,
    runtime: Handle,
    /// The jobs that wait for each busy worker, by the set of its servers: the bit of each is set.
    waiting: Mutex<HashMap<u64, VecDeque<Job>>>,
}

impl Desk {
    pub(crate) fn new(servers: Servers, names: KeyNames, clock: WallClock, runtime: &Handle) -> Self {
        let links = servers.iter().map(|server| Link::open(server.clone(), runtime)).collect();
        Self { links, clock, names, servers, runtime: runtime.clone(), waiting: Mutex::default() }
    }

    /// Finds the place of a charge's account.
    pub(crate) fn place(&self, charge: &Charge) -> Place {
        let name = self.names.account(&charge.key, charge.quota.algorithm());
        Place { name, server: self.home(charge) }
    }

    /// The server that keeps a charge's account.
    pub(crate) fn home(&self, charge: &Charge) -> usize {
        self.servers.home(|| self.names.neighbourhood(&charge.key))
    }

    /// Takes in a job, and calls a clerk if none is at work on its servers.
    pub(crate) fn hand_in(self: &Arc<Self>, job: Job) {
        let servers = job.accounts().fold(0, |servers, (_, place)| servers | 1 << place.server);
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
        self.runtime.spawn(Clerk::new(Arc::clone(self), servers).work());
    }

    /// Takes in a job after a while.
    pub(crate) fn hand_in_later(self: &Arc<Self>, job: Job) {
        let desk = Arc::clone(self);
        self.runtime.spawn(async move {
            sleep(LATER).await;
            desk.hand_in(job);
        });
    }

    /// At most so many of the jobs that wait for a clerk; `None` if there are none and the clerk, who has no others,
    /// may go.
    pub(crate) fn hand_out(&self, servers: u64, most: usize, is_idle: bool) -> Option<Vec<Job>> {
        let mut waiting = self.waiting();
        let queue = waiting.get_mut(&servers)?;
        if queue.is_empty() && is_idle {
            waiting.remove(&servers);
            return None;
        }
        let most = most.min(queue.len());
        Some(queue.drain(..most).collect())
    }

    /// Nobody works for what waits for a clerk: it is told that its answer never comes.
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

/// Jobs that wait for one clerk, beyond which more are refused.
const MOST_WAITING: usize = 8_192;
/// The time by which a job is postponed that cannot be done now.
const LATER: Duration = Duration::from_millis(50);
