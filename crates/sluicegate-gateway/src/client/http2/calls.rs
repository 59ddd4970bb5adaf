//! The requests that run on a connection of HTTP/2, and their futures, which are used again.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::RecvStream;
use http::Request;

use super::call::Call;

/// The calls that run on one connection. They are polled by its task, so that what they send goes out in the same turn.
pub(super) struct Calls {
    running: FuturesUnordered<Running>,
    idle: IdleCalls,
}

/// The futures of calls that have ended, kept for the next calls on any connection of a worker. Clones share them.
///
/// The future of a call is large. Made anew for each request, it is moved several times, and its memory is allocated.
#[derive(Clone, Default)]
pub(crate) struct IdleCalls(Rc<RefCell<Vec<CallFuture>>>);

/// A future that serves one call after another, and is ready after each.
struct CallFuture {
    serving: Pin<Box<dyn Future<Output = ()>>>,
    seat: Rc<Seat>,
}

/// The place where a future finds its next call.
#[derive(Default)]
struct Seat {
    next: Cell<Option<(Call, Request<RecvStream>)>>,
    is_idle: Cell<bool>,
}

/// A future with a call. It returns itself at the end of that.
struct Running(Option<CallFuture>);

impl Calls {
    /// None runs.
    pub(super) fn new(idle: IdleCalls) -> Self {
        Self { running: FuturesUnordered::new(), idle }
    }

    /// Begins a call, which is polled with the others.
    pub(super) fn begin(&mut self, call: Call, request: Request<RecvStream>) {
        let future = self.idle.0.borrow_mut().pop().unwrap_or_else(CallFuture::new);
        future.seat.next.set(Some((call, request)));
        self.running.push(Running(Some(future)));
    }

    /// Polls the calls that were begun or woken. The task is woken when there are such calls again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.running.poll_next_unpin(cx) {
            let mut idle = self.idle.0.borrow_mut();
            if idle.len() < MOST_IDLE {
                idle.extend(ended);
            }
        }
    }
}

impl CallFuture {
    fn new() -> Self {
        let seat = Rc::new(Seat::default());
        let own = Rc::clone(&seat);
        let serving = Box::pin(async move {
            loop {
                let (call, request) = own.next().await;
                // Pinned here, because it is large: awaited by itself, it would be moved first.
                pin!(call.answer(request)).await;
            }
        });
        Self { serving, seat }
    }
}

impl Seat {
    /// Waits for the next call.
    async fn next(&self) -> (Call, Request<RecvStream>) {
        poll_fn(|_| {
            let next = self.next.take();
            self.is_idle.set(next.is_none());
            next.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Future for Running {
    type Output = Option<CallFuture>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CallFuture>> {
        let Some(future) = &mut self.0 else { return Poll::Ready(None) };
        let polled = future.serving.as_mut().poll(cx);
        if polled.is_ready() || future.seat.is_idle.get() {
            return Poll::Ready(mem::take(&mut self.0));
        }
        Poll::Pending
    }
}

/// Futures kept by a worker. Each takes a few kilobytes.
const MOST_IDLE: usize = 64;
