//! The worker that does the jobs.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    desk::Desk,
    expiry::time_to_live,
    job::{Fate, Job},
    ledger::Ledger,
    page::Page,
};

/// Does the jobs that touch the same servers, as long as there are any, in rounds of one round trip each.
///
/// In a round, all jobs proceed in order on the accounts that were read in the previous one. Then every
/// account that they changed is written, if it is still as it was read, and all of their accounts are read
/// again. So one write carries all charges that wait for an account, and an account that is in use costs one
/// round trip for a request, any other two.
#[derive(Debug)]
pub(crate) struct Clerk {
    desk: Arc<Desk>,
    /// As a set of bits.
    servers: u64,
    jobs: Vec<Job>,
    ledger: Ledger,
    /// Set if new jobs call another worker.
    is_off_duty: bool,
}

impl Clerk {
    pub(crate) fn new(desk: Arc<Desk>, servers: u64) -> Self {
        Self { desk, servers, jobs: Vec::new(), ledger: Ledger::new(), is_off_duty: false }
    }

    /// Works until there is nothing left to do.
    pub(crate) async fn work(mut self) {
        loop {
            let room = MOST_AT_ONCE.saturating_sub(self.jobs.len());
            let Some(more) = self.desk.hand_out(self.servers, room, self.jobs.is_empty()) else {
                self.is_off_duty = true;
                return;
            };
            self.jobs.extend(more);
            // An account that was changed later than now by our clock was changed by an instance whose clock is ahead, or
            // before ours was set back: it is as late as that.
            for entry in self.ledger.values().flatten() {
                self.desk.clock.observe(entry.changed_at);
            }
            let now = self.desk.clock.now();
            self.jobs.retain_mut(|job| job.proceed(&mut self.ledger, now) != Fate::Finished);
            if !self.jobs.is_empty() {
                self.exchange().await;
            }
        }
    }

    /// One round trip: writes what was changed, and reads the accounts of all jobs.
    async fn exchange(&mut self) {
        // All servers are asked before any is waited for.
        let asked: Vec<_> = self
            .pages()
            .into_iter()
            .map(|(server, page)| (server, page.send(&self.desk.links[server])))
            .collect();
        let (mut ledger, mut written, mut failures) = (Ledger::new(), HashSet::new(), HashMap::new());
        for (server, sent) in asked {
            match sent.answers().await {
                Ok(answers) => answers.file(&mut ledger, &mut written),
                Err(failure) => drop(failures.insert(server, failure.at(server))),
            }
        }
        self.ledger = ledger;
        for mut job in std::mem::take(&mut self.jobs) {
            match job.end_round(&written, &failures) {
                Fate::Unfinished => self.jobs.push(job),
                Fate::Postponed => self.desk.hand_in_later(job),
                Fate::Elsewhere => self.desk.hand_in(job),
                Fate::Finished => {}
            }
        }
    }

    /// Collects the commands for each server.
    fn pages(&self) -> HashMap<usize, Page> {
        let (mut pages, mut seen) = (HashMap::<usize, Page>::new(), HashSet::new());
        let now = self.desk.clock.now();
        for (charge, place) in self.jobs.iter().flat_map(Job::accounts) {
            if !seen.insert(place) {
                continue;
            }
            let page = pages.entry(place.server).or_default();
            if let Some(Ok(entry)) = self.ledger.get(place) {
                let lives = time_to_live(&self.desk.clock, entry.account.idle_at(), now);
                page.write(place, entry, lives, now);
            }
            page.read(place, charge);
        }
        pages
    }
}

impl Drop for Clerk {
    /// The runtime was shut down, or something panicked: nobody shall wait for this clerk.
    fn drop(&mut self) {
        if !self.is_off_duty {
            self.desk.dismiss(self.servers);
        }
    }
}

/// So that no round keeps a server busy for long.
const MOST_AT_ONCE: usize = 256;
