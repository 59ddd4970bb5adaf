//! The way to one server.

mod connection;
mod failure;
mod reply;
mod reply_delay;

use std::time::Duration;

use sluicegate_remote::Backoff;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use connection::{Connection, End};
pub(crate) use failure::{Failure, id};
pub(crate) use reply::Reply;
pub(crate) use reply_delay::ReplyDelay;

use crate::server::Server;

/// The way to one server: a connection that all share, opened again whenever it is lost.
///
/// This is a client of our own, because a decision needs features that no published one has. Many requests
/// share one connection, and any of them can be given up without harm to the others. It is certain if a
/// failed request was sent, and over which connection an item was read. It needs little: four commands, each
/// answered in turn.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    server: Server,
    requests: mpsc::Sender<Request>,
    reply_delay: ReplyDelay,
}

/// Commands of which each has one answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commands: Vec<u8>,
    /// The number of its commands.
    pub(crate) answers: usize,
    /// The connection that it must be sent over, if any: data read before a restart of the server is stale.
    pub(crate) only_on: Option<u64>,
    reply_to: oneshot::Sender<Result<Answers, Failure>>,
}

/// The answers to a request, in its commands' order.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) replies: Vec<Reply>,
    /// The connection over which they came.
    pub(crate) connection: u64,
}

/// The receiver of the replies.
pub(crate) type Pending = oneshot::Receiver<Result<Answers, Failure>>;

impl Link {
    /// Connects, in the background.
    pub(crate) fn open(server: Server, runtime: &Handle) -> Self {
        let (requests, receiver) = mpsc::channel(MOST_QUEUED);
        let reply_delay = ReplyDelay::default();
        runtime.spawn(keep_open(server.clone(), receiver, reply_delay.clone()));
        Self { server, requests, reply_delay }
    }

    /// Returns the delay of the server's pending replies.
    pub(crate) fn reply_delay(&self) -> &ReplyDelay {
        &self.reply_delay
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Sends commands, of which each has one answer.
    pub(crate) fn send(&self, commands: Vec<u8>, answers: usize, only_on: Option<u64>) -> Pending {
        let (reply_to, pending) = oneshot::channel();
        if let Err(refused) = self.requests.try_send(Request { commands, answers, only_on, reply_to }) {
            let failure = format!("too much waits for memcached at {}; is it overloaded?", self.server);
            refused.into_inner().refuse(Failure::new(failure));
        }
        pending
    }
}

impl Request {
    /// The reply may no longer be awaited; then there is nothing to do.
    fn answer(self, answers: Answers) {
        let _ = self.reply_to.send(Ok(answers));
    }

    fn refuse(self, failure: Failure) {
        let _ = self.reply_to.send(Err(failure));
    }
}

/// Connects and serves until the link is dropped.
async fn keep_open(server: Server, mut requests: mpsc::Receiver<Request>, reply_delay: ReplyDelay) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut first: Option<Request> = None;
    for number in 1.. {
        // Whatever is asked meanwhile waits for what becomes of it.
        reply_delay.set(Some(Instant::now()));
        let failure = match Connection::open(&server, number).await {
            Err(failure) => failure,
            Ok(connection) => {
                backoff.reset();
                match connection.serve(first.take(), &mut requests, &reply_delay).await {
                    End::Unneeded => return,
                    End::Closed => continue,
                    End::Failed(failure) => failure,
                }
            }
        };
        reply_delay.set(None);
        let failed = Instant::now();
        while let Some(request) = first.take().or_else(|| requests.try_recv().ok()) {
            request.refuse(failure.clone());
        }
        tokio::select! {
            biased;
            () = sleep(backoff.fail()) => {}
            request = requests.recv() => match request {
                None => return,
                // A request comes, and the server may be back by now.
                request => {
                    first = request;
                    sleep_until(failed + Backoff::WHILE_AWAITED).await;
                }
            },
        }
    }
}

/// Requests that wait to be sent, beyond which more are refused.
const MOST_QUEUED: usize = 1_024;
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
