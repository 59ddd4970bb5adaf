//! One client's connection: reads commands, and writes their replies in the same order.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    slice::from_ref,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use sluicegate::{Decision, Resilient, StoreError, Taken};
use sluicegate_stores::AnyStore;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::Instant,
};

use super::{
    Resp,
    parser::{Malformed, parse},
    replies::{KEPT, Replies},
    session::Session,
    throttle::{Dialect, Question},
};
use crate::{decisions::IDLE, io::idle_timer::IdleTimer, metrics::throttles::Throttles, threads::drain};

/// One client's connection.
pub(super) struct Connection<'s, S> {
    server: &'s Resp,
    stream: S,
    session: Session,
    /// The bytes that were read and not answered.
    input: Vec<u8>,
    replies: Replies,
    /// `true` while commands that are whole wait until the client has read its replies.
    wants_room: bool,
    is_flushed: bool,
    /// The last time that a byte was read or written.
    moved: Instant,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Connection<'s, S> {
    pub(super) fn new(server: &'s Resp, stream: S) -> Self {
        Self {
            server,
            stream,
            session: Session::new(),
            input: Vec::new(),
            replies: Replies::default(),
            wants_room: false,
            is_flushed: true,
            moved: Instant::now(),
        }
    }

    /// Answers commands until the client leaves, the drain is over, or nothing has moved for too long.
    ///
    /// # Errors
    ///
    /// The reason that the connection ended early.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut draining = self.server.draining.clone();
        let last = drain::pause(self.server.current.proxy().settings());
        let mut over = pin!(draining.over(last));
        let shortest = self.server.current.proxy().settings().header_timeout;
        let mut timer = IdleTimer::new(shortest);
        while poll_fn(|cx| {
            if let Poll::Ready(moved) = self.poll_move(cx) {
                return Poll::Ready(moved);
            }
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(false));
            }
            let end = || self.moved + self.patience(shortest);
            timer.poll_end(cx, || shortest, end).map(|()| Err(io::ErrorKind::TimedOut.into()))
        })
        .await?
        {
            self.answer().await;
        }
        self.stream.shutdown().await
    }

    /// Writes replies and reads commands. Ready with `true` when there is something to answer, and with `false` at the end.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while !self.replies.unsent().is_empty() {
            let Poll::Ready(sent) = Pin::new(&mut self.stream).poll_write(cx, self.replies.unsent())? else {
                break;
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replies.note_sent(sent);
            self.is_flushed = false;
            self.moved = Instant::now();
        }
        if !self.is_flushed {
            self.is_flushed = Pin::new(&mut self.stream).poll_flush(cx)?.is_ready();
        }
        let unsent = self.replies.unsent().len();
        if self.session.is_over {
            return if unsent == 0 && self.is_flushed { Poll::Ready(Ok(false)) } else { Poll::Pending };
        }
        if unsent >= MOST_UNSENT {
            return Poll::Pending;
        }
        if self.wants_room {
            return Poll::Ready(Ok(true));
        }
        let mut scratch = self.server.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        if Pin::new(&mut self.stream).poll_read(cx, &mut buffer)?.is_pending() {
            return Poll::Pending;
        }
        self.moved = Instant::now();
        self.input.extend_from_slice(buffer.filled());
        // A client that has stopped sending may still read.
        self.session.is_over = buffer.filled().is_empty();
        Poll::Ready(Ok(!self.session.is_over || unsent > 0))
    }

    /// The time for which nothing may move. It is short for a client that owes a token or the rest of a command, or does
    /// not read its replies.
    fn patience(&self, short: Duration) -> Duration {
        let owes = !self.input.is_empty() || !self.replies.unsent().is_empty();
        let may_ask = self.session.may_ask(self.server.current.proxy().policy());
        if owes || !may_ask { short } else { IDLE }
    }

    /// Answers the commands that are whole, as long as there is room for replies.
    async fn answer(&mut self) {
        let Self { server, session, input, replies, wants_room, .. } = self;
        let proxy = server.current.proxy();
        let (policy, throttles) = (proxy.policy(), &proxy.metrics().throttles);
        let store = proxy.serving.admission.gate().store();
        let outage = policy.store.outage;
        // Clients wait for the store together, and get their replies in the order of their commands.
        let mut waiting = FuturesOrdered::new();
        let mut at = 0;
        *wants_room = false;
        while !session.is_over {
            if replies.unsent().len() >= MOST_UNSENT {
                *wants_room = true;
                break;
            }
            let (words, len) = match parse(&input[at..]) {
                Ok(Some(command)) => command,
                Ok(None) => break,
                Err(Malformed(wrong)) => {
                    finish(&mut waiting, throttles, replies).await;
                    replies.error(&format!("ERR {wrong}"));
                    session.is_over = true;
                    break;
                }
            };
            at += len;
            let [name, arguments @ ..] = words.as_slice() else { continue };
            let Some(dialect) = Dialect::of(name).filter(|_| session.may_ask(policy)) else {
                finish(&mut waiting, throttles, replies).await;
                session.reply(&words, policy, &server.callers, replies);
                continue;
            };
            match (dialect.question(arguments), &**store) {
                (Ok(question), AnyStore::Memory(memory)) => {
                    let decision = memory.take_now(from_ref(&question.charge));
                    question.reply(&Ok(decision), throttles, replies);
                }
                (Ok(question), AnyStore::Redis(_) | AnyStore::Memcached(_)) => {
                    if waiting.len() >= MOST_WAITING {
                        finish(&mut waiting, throttles, replies).await;
                    }
                    let store = Arc::clone(store);
                    waiting.push_back(async move {
                        let decision = store.take_or(from_ref(&question.charge), |_| outage).await;
                        (question, decision)
                    });
                }
                (Err(wrong), _) => {
                    finish(&mut waiting, throttles, replies).await;
                    dialect.counts(throttles).errors.inc();
                    replies.error(&wrong);
                }
            }
        }
        finish(&mut waiting, throttles, replies).await;
        input.drain(..at);
        if input.is_empty() {
            input.shrink_to(KEPT);
        }
    }
}

/// Writes the replies to all questions that the store has.
async fn finish<L>(
    waiting: &mut FuturesOrdered<impl Future<Output = (Question, Result<Decision<Taken<L>>, StoreError>)>>,
    throttles: &Throttles,
    replies: &mut Replies,
) {
    while let Some((question, decision)) = waiting.next().await {
        question.reply(&decision, throttles, replies);
    }
}

/// The most bytes of replies that wait for a client to read them. It is not read from beyond that.
const MOST_UNSENT: usize = 256 * 1024;
/// The most questions of one client that the store has at a time.
const MOST_WAITING: usize = 256;
