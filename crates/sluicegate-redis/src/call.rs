//! A batch of requests as one call of the script.

use std::{collections::HashMap, fmt::Write, sync::LazyLock};

use redis::Cmd;
use sha1::{Digest, Sha1};

use crate::{
    names::Kind,
    request::{Request, Verb},
};

/// A batch of requests as one call of the script: its keys, each once, and its arguments.
pub(crate) struct Call {
    keys: Vec<String>,
    kinds: Vec<u8>,
    arguments: Vec<Argument>,
}

enum Argument {
    Letter(&'static str),
    Number(i64),
    Lease(u64),
}

impl Call {
    /// The call of these requests, which are all of one slot.
    pub(crate) fn of<'r>(requests: impl Iterator<Item = &'r Request>) -> Self {
        let mut call = Self { keys: Vec::new(), kinds: Vec::new(), arguments: Vec::new() };
        let mut places: HashMap<&'r str, i64> = HashMap::new();
        for request in requests {
            call.add(request, &mut places);
        }
        call
    }

    fn add<'r>(&mut self, request: &'r Request, places: &mut HashMap<&'r str, i64>) {
        let lines = i64::try_from(request.lines.len()).unwrap_or(i64::MAX);
        let letter = match request.verb {
            Verb::Take { .. } => "t",
            Verb::Look => "l",
            Verb::Settle { .. } => "s",
            Verb::Renew { .. } => "r",
        };
        self.arguments.extend([Argument::Letter(letter), Argument::Number(lines)]);
        match &request.verb {
            Verb::Look => {}
            Verb::Take { lease } | Verb::Renew { lease } => self.arguments.push(Argument::Lease(*lease)),
            Verb::Settle { lease, taken_at, give_or_take, mark } => {
                let mark = mark.as_deref().map_or(0, |mark| self.key(mark, Kind::Mark, places));
                self.arguments.push(Argument::Lease(*lease));
                let numbers = [number(*taken_at), number(*give_or_take), mark];
                self.arguments.extend(numbers.map(Argument::Number));
            }
        }
        for line in &request.lines {
            let key = self.key(&line.account, line.kind, places);
            self.arguments.push(Argument::Number(key));
            self.arguments.extend(line.numbers.iter().copied().map(Argument::Number));
        }
    }

    /// The number of a key in this call.
    fn key<'r>(&mut self, name: &'r str, kind: Kind, places: &mut HashMap<&'r str, i64>) -> i64 {
        *places.entry(name).or_insert_with(|| {
            self.keys.push(name.to_owned());
            self.kinds.push(kind.letter());
            i64::try_from(self.keys.len()).unwrap_or(i64::MAX)
        })
    }

    /// The command that calls the script by its hash, as a server knows it that has run it before.
    pub(crate) fn evalsha(&self, time: Option<u64>, lease: u64) -> Cmd {
        self.command("EVALSHA", &HASH, time, lease)
    }

    /// The command that brings the script along.
    pub(crate) fn eval(&self, time: Option<u64>, lease: u64) -> Cmd {
        self.command("EVAL", SCRIPT, time, lease)
    }

    fn command(&self, name: &str, script: &str, time: Option<u64>, lease: u64) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        match time {
            Some(time) => command.arg(time),
            None => command.arg(""),
        };
        command.arg(lease).arg(&self.kinds[..]);
        for argument in &self.arguments {
            match argument {
                Argument::Letter(letter) => command.arg(*letter),
                Argument::Number(number) => command.arg(*number),
                Argument::Lease(lease) => command.arg(format!("{lease:016x}")),
            };
        }
        command
    }
}

/// At most what a double counts exactly.
fn number(number: u64) -> i64 {
    i64::try_from(number.min(crate::MOST)).unwrap_or(i64::MAX)
}

static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hash = String::with_capacity(40);
    for byte in Sha1::digest(SCRIPT) {
        // Writing to a string never fails.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
});

const SCRIPT: &str = include_str!("books.lua");
