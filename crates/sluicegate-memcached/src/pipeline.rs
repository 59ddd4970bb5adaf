//! The commands that one server gets in one round.

use std::{collections::HashSet, io::Write};

use sluicegate::{Charge, Timestamp};

use crate::{
    item,
    link::{Answers, Failure, Link, Pending, Reply},
    location::Location,
    working_set::{Entry, WorkingSet, refused},
};

/// The commands that one server gets in one round: to write accounts, each if it is still as it was read, and to read
/// accounts.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    commands: Vec<u8>,
    /// The kind of each command.
    issued: Vec<Command>,
    /// The connection over which what is to be written was read.
    only_on: Option<u64>,
}

/// A command.
#[derive(Debug)]
enum Command {
    Write(Location),
    Read(Location, Charge),
}

/// A pipeline that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    issued: Vec<Command>,
    pending: Pending,
}

/// A pipeline and its responses.
#[derive(Debug)]
pub(crate) struct Answered {
    issued: Vec<Command>,
    answers: Answers,
}

impl Pipeline {
    /// Adds a write of an account if it was changed, to expire after so many seconds. Its flags tell when it was
    /// changed, as [`Entry::changed_at`] reads them.
    pub(crate) fn write(&mut self, location: &Location, entry: &Entry, lives: u64, now: Timestamp) {
        if !entry.changed {
            return;
        }
        let item = item::write(&entry.account);
        let (name, length, flags) = (&location.name, item.len(), entry.flags(now));
        // `C`: if its last change is still that one. `ME`: if there still is none. Writing to a vector never fails.
        let _ = match entry.cas {
            Some(cas) => write!(self.commands, "ms {name} {length} T{lives} F{flags} C{cas}\r\n{item}\r\n"),
            None => write!(self.commands, "ms {name} {length} T{lives} F{flags} ME\r\n{item}\r\n"),
        };
        self.issued.push(Command::Write(location.clone()));
        self.only_on = Some(entry.connection);
    }

    /// Asks to read a charge's account.
    pub(crate) fn read(&mut self, location: &Location, charge: &Charge) {
        let _ = write!(self.commands, "mg {} v c f\r\n", location.name);
        self.issued.push(Command::Read(location.clone(), charge.clone()));
    }

    pub(crate) fn send(self, link: &Link) -> Sent {
        Sent { pending: link.send(self.commands, self.issued.len(), self.only_on), issued: self.issued }
    }
}

impl Sent {
    pub(crate) async fn answers(self) -> Result<Answered, Failure> {
        let gone = |_| Err(Failure::new("the runtime of the store is shutting down").after_sending());
        let answers = self.pending.await.unwrap_or_else(gone)?;
        Ok(Answered { issued: self.issued, answers })
    }
}

impl Answered {
    /// Enters the accounts that were read into the working set, and notes those that were written.
    pub(crate) fn file(self, working_set: &mut WorkingSet, written: &mut HashSet<Location>) {
        let mut failed = None;
        for (issued, reply) in self.issued.into_iter().zip(&self.answers.replies) {
            match (issued, reply) {
                (Command::Write(location), Reply::Done) => drop(written.insert(location)),
                (Command::Write(_), Reply::Not) => {}
                // The account is read next, and its callers learn why it could not be written.
                (Command::Write(location), other) => failed = Some(refused(other, &location)),
                (Command::Read(location, charge), reply) => {
                    let entry = Entry::read(reply, &charge, &location, self.answers.connection);
                    working_set.insert(location, failed.take().map_or(entry, Err));
                }
            }
        }
    }
}
