//! A batch of requests as one call of a script.

use std::{fmt::Write, sync::LazyLock};

use redis::Cmd;
use sha1::{Digest, Sha1};

use crate::{
    batch::Batch,
    key_names::Kind,
    request::{Request, Verb},
};

/// A batch of requests as one call of a script.
pub(crate) enum Call<'r> {
    /// One take of token buckets.
    Buckets(&'r Request),
    /// Anything else.
    Batch(Batch<'r>),
}

impl<'r> Call<'r> {
    /// Lines of one batch: what Redis does in less than half a millisecond.
    pub(crate) const LINES: usize = 100;

    /// The call of these requests, which are all of one slot and have no more than so many lines.
    pub(crate) fn of(mut requests: impl ExactSizeIterator<Item = &'r Request> + Clone) -> Self {
        if requests.len() == 1
            && let Some(request) = requests.clone().next()
            && matches!(request.verb, Verb::Take { .. })
            && request.lines.iter().all(|line| line.kind == Kind::TokenBucket)
        {
            return Self::Buckets(request);
        }
        Self::Batch(Batch::of(&mut requests))
    }

    /// The command that calls the script by its hash, as a server knows it that has run it before.
    pub(crate) fn evalsha(&self, time: &str, lease: u64) -> Cmd {
        self.command("EVALSHA", &self.script().hash, time, lease)
    }

    /// The command that brings the script along.
    pub(crate) fn eval(&self, time: &str, lease: u64) -> Cmd {
        self.command("EVAL", self.script().text, time, lease)
    }

    fn script(&self) -> &'static Script {
        match self {
            Self::Buckets(_) => &BUCKETS,
            Self::Batch(_) => &BATCH,
        }
    }

    fn command(&self, name: &str, script: &str, time: &str, lease: u64) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script);
        match self {
            Self::Batch(batch) => batch.write(&mut command, time, lease),
            Self::Buckets(request) => {
                command.arg(request.lines.len());
                for line in &request.lines {
                    command.arg(&*line.account);
                }
                command.arg(time);
                for number in request.lines.iter().flat_map(|line| line.row) {
                    command.arg(number);
                }
            }
        }
        command
    }
}

/// A script, and what Redis calls it.
struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let mut hash = String::with_capacity(40);
        for byte in Sha1::digest(text) {
            // Writing to a string never fails.
            let _ = write!(hash, "{byte:02x}");
        }
        Self { text, hash }
    }
}

static BUCKETS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("script/chunks.lua"), include_str!("script/buckets.lua")))
});

/// One script in five parts. The second documents requests and replies.
static BATCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("script/chunks.lua"),
        include_str!("script/read.lua"),
        include_str!("script/accounts.lua"),
        include_str!("script/decide.lua"),
        include_str!("script/write.lua"),
    ))
});
