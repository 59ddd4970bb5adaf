//! A batch in flight.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use crate::{
    call::Call,
    job::Job,
    link::{Failure, Link},
    slot_map::Number,
};

/// A batch in flight to the owner of its slot.
pub(super) struct InFlight {
    pub(super) slot: u16,
    pub(super) number: Number,
    /// The generation of the connection.
    pub(super) generation: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) at: Instant,
    /// `true` if the server does not own the slot yet.
    pub(super) asking: bool,
}

/// A batch with its result.
pub(super) struct Completed {
    pub(super) batch: InFlight,
    pub(super) result: Result<Value, Failure>,
}

impl InFlight {
    pub(super) async fn call(self, mut link: Link, time: String, lease: u64) -> Completed {
        let call = Call::of(self.jobs.iter().map(|job| &*job.request));
        let mut command = call.evalsha(&time, lease);
        let mut brings_script = false;
        let result = loop {
            let result = if self.asking {
                // Boxed, because it is rare and large.
                Box::pin(link.call_asking(&command)).await
            } else {
                link.call(&command).await
            };
            if brings_script || !result.as_ref().is_err_and(|failure| is_unknown_script(&failure.error)) {
                break result;
            }
            // A server that was restarted, flushed or promoted has not seen the script; nothing was done.
            command = call.eval(&time, lease);
            brings_script = true;
        };
        drop(call);
        Completed { batch: self, result }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
