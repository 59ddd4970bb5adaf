//! The task that does the jobs of one set of servers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    dispatcher::Dispatcher,
    expiry::time_to_live,
    job::{Fate, Job},
    pipeline::Pipeline,
    working_set::WorkingSet,
};

/// Does the jobs that touch the same servers, as long as there are any, in rounds of one round trip each.
///
/// In a round, all jobs proceed in order on the accounts that were read in the previous one. Then every
/// account that they changed is written, if it is still as it was read, and all of their accounts are read
/// again. So one write carries all charges that wait for an account, and an account that is in use costs one
/// round trip for a request, any other two.
#[derive(Debug)]
pub(crate) struct Worker {
    dispatcher: Arc<Dispatcher>,
    /// As a set of bits.
    servers: u64,
    jobs: Vec<Job>,
    working_set: WorkingSet,
    /// `true` if the dispatcher starts another worker for the next job.
    is_relieved: bool,
}

impl Worker {
    pub(crate) fn new(dispatcher: Arc<Dispatcher>, servers: u64) -> Self {
        Self { dispatcher, servers, jobs: Vec::new(), working_set: WorkingSet::new(), is_relieved: false }
    }

    /// Works until there is nothing left to do.
    pub(crate) async fn work(mut self) {
        loop {
            let room = MOST_AT_ONCE.saturating_sub(self.jobs.len());
            let Some(more) = self.dispatcher.next_jobs(self.servers, room, self.jobs.is_empty()) else {
                self.is_relieved = true;
                return;
            };
            self.jobs.extend(more);
            // An account that was changed later than now by our clock was changed by an instance whose clock is ahead, or
            // before ours was set back: it is as late as that.
            for entry in self.working_set.values().flatten() {
                self.dispatcher.clock.observe(entry.changed_at);
            }
            let now = self.dispatcher.clock.now();
            self.jobs.retain_mut(|job| job.proceed(&mut self.working_set, now) != Fate::Finished);
            if !self.jobs.is_empty() {
                self.exchange().await;
            }
        }
    }

    /// One round trip: writes the changed accounts, and reads those of all jobs.
    async fn exchange(&mut self) {
        // All servers are asked before any is waited for.
        let asked: Vec<_> = self
            .pipelines()
            .into_iter()
            .map(|(server, pipeline)| (server, pipeline.send(&self.dispatcher.links[server])))
            .collect();
        let (mut working_set, mut written, mut failures) =
            (WorkingSet::new(), HashSet::new(), HashMap::new());
        for (server, sent) in asked {
            match sent.answers().await {
                Ok(answers) => answers.file(&mut working_set, &mut written),
                Err(failure) => drop(failures.insert(server, failure.at(server))),
            }
        }
        self.working_set = working_set;
        for mut job in std::mem::take(&mut self.jobs) {
            match job.end_round(&written, &failures) {
                Fate::Unfinished => self.jobs.push(job),
                Fate::Postponed => self.dispatcher.dispatch_later(job),
                Fate::Elsewhere => self.dispatcher.dispatch(job),
                Fate::Finished => {}
            }
        }
    }

    /// Collects the commands for each server.
    fn pipelines(&self) -> HashMap<usize, Pipeline> {
        let (mut pipelines, mut seen) = (HashMap::<usize, Pipeline>::new(), HashSet::new());
        let now = self.dispatcher.clock.now();
        for (charge, location) in self.jobs.iter().flat_map(Job::accounts) {
            if !seen.insert(location) {
                continue;
            }
            let pipeline = pipelines.entry(location.server).or_default();
            if let Some(Ok(entry)) = self.working_set.get(location) {
                let lives = time_to_live(&self.dispatcher.clock, entry.account.idle_at(), now);
                pipeline.write(location, entry, lives, now);
            }
            pipeline.read(location, charge);
        }
        pipelines
    }
}

impl Drop for Worker {
    /// Fails the jobs of this worker if the runtime was shut down, or something panicked.
    fn drop(&mut self) {
        if !self.is_relieved {
            self.dispatcher.dismiss(self.servers);
        }
    }
}

/// So that no round keeps a server busy for long.
const MOST_AT_ONCE: usize = 256;
