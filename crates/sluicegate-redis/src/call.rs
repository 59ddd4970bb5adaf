//! A batch of requests as one call of a script.

use std::{fmt::Write, sync::LazyLock};

use redis::Cmd;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, digest};

use crate::{
    batch::Batch,
    key_names::Kind,
    request::{Request, Verb},
};

/// A batch of requests as one call of a script.
pub(crate) struct Call<'r> {
    batch: Batch<'r>,
    script: &'static Script,
}

impl<'r> Call<'r> {
    /// Lines of one batch: what Redis does in less than half a millisecond.
    pub(crate) const LINES: usize = 100;

    /// The call of these requests, which are all of one slot and have no more than so many lines.
    pub(crate) fn of(requests: impl Iterator<Item = &'r Request> + Clone) -> Self {
        if requests.clone().all(takes_buckets) {
            Self { batch: Batch::of_takes(requests), script: &BUCKETS }
        } else {
            Self { batch: Batch::of(requests), script: &BATCH }
        }
    }

    /// The command that calls the script by its hash, as a server knows it that has run it before.
    pub(crate) fn evalsha(&self, time: &str, lease: u64) -> Cmd {
        self.command("EVALSHA", &self.script.hash, time, lease)
    }

    /// The command that brings the script along.
    pub(crate) fn eval(&self, time: &str, lease: u64) -> Cmd {
        self.command("EVAL", self.script.text, time, lease)
    }

    fn command(&self, name: &str, script: &str, time: &str, lease: u64) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script);
        self.batch.write(&mut command, time, lease);
        command
    }
}

/// Returns `true` if the script of buckets can do it.
fn takes_buckets(request: &Request) -> bool {
    matches!(request.verb, Verb::Take { .. })
        && request.lines.iter().all(|line| line.kind == Kind::TokenBucket)
}

/// A script, and what Redis calls it.
struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let mut hash = String::with_capacity(40);
        for byte in digest(&SHA1, text.as_bytes()).as_ref() {
            // Writing to a string never fails.
            let _ = write!(hash, "{byte:02x}");
        }
        Self { text, hash }
    }
}

/// For batches that take nothing but token buckets, which most do.
static BUCKETS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("script/chunks.lua"),
        include_str!("script/time.lua"),
        include_str!("script/buckets.lua"),
    ))
});

/// One script in six parts. The third documents requests and replies.
static BATCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("script/chunks.lua"),
        include_str!("script/time.lua"),
        include_str!("script/read.lua"),
        include_str!("script/accounts.lua"),
        include_str!("script/decide.lua"),
        include_str!("script/write.lua"),
    ))
});
