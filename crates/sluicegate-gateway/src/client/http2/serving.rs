//! The task of a connection of HTTP/2: reading, writing and the calls on it.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{call::Call, calls::Calls};

/// A connection whose requests begin as they come.
///
/// In one turn of the task calls get what has arrived, and what they answer goes out.
pub(super) struct Serving<S, F> {
    connection: Connection<S, Bytes>,
    /// Makes a call of a request that can be answered so.
    begin: F,
    calls: Calls,
    wakers: Option<Wakers>,
}

/// The wakers of the parts of one task.
struct Wakers {
    turn: Arc<Turn>,
    connection: Waker,
    calls: Waker,
}

/// A task's turn, and the part that it polls.
struct Turn {
    task: Waker,
    polled: AtomicU8,
    /// Calls were woken, and have not been polled since.
    are_calls_woken: AtomicBool,
}

/// Wakes a task, but while calls are polled: the connection is polled behind them anyway, and sends what they have given it.
struct ConnectionWaker(Arc<Turn>);

/// Wakes a task, but during its turn: calls that are woken then are polled in the same turn.
struct CallsWaker(Arc<Turn>);

impl<S, F> Serving<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// The serving of a connection that no call runs on.
    pub(super) fn new(connection: Connection<S, Bytes>, begin: F, calls: Calls) -> Self {
        Self { connection, begin, calls, wakers: None }
    }

    /// Accepts no more requests than those that are on their way.
    pub(super) fn finish(&mut self) {
        self.connection.graceful_shutdown();
    }
}

impl<S, F> Future for Serving<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: FnMut(SendResponse<Bytes>) -> Call + Unpin,
{
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let this = &mut *self;
        let known = this.wakers.take().filter(|wakers| wakers.turn.task.will_wake(cx.waker()));
        let wakers = this.wakers.insert(known.unwrap_or_else(|| Wakers::new(cx.waker())));
        loop {
            wakers.turn.polls(CALLS);
            wakers.turn.poll_calls(&mut this.calls, &wakers.calls);
            wakers.turn.polls(CONNECTION);
            let accepting = pin!(this.connection.accept());
            let accepted = accepting.poll(&mut Context::from_waker(&wakers.connection));
            wakers.turn.polls(NOTHING);
            match accepted {
                Poll::Ready(Some(accepted)) => {
                    let (request, respond) = accepted?;
                    this.calls.begin((this.begin)(respond), request);
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if wakers.turn.are_calls_woken.load(SeqCst) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Wakers {
    fn new(task: &Waker) -> Self {
        let (polled, are_calls_woken) = (AtomicU8::new(NOTHING), AtomicBool::new(false));
        let turn = Arc::new(Turn { task: task.clone(), polled, are_calls_woken });
        let connection = Arc::new(ConnectionWaker(Arc::clone(&turn))).into();
        let calls = Arc::new(CallsWaker(Arc::clone(&turn))).into();
        Self { turn, connection, calls }
    }
}

impl Turn {
    /// Notes the part that is polled from now on.
    fn polls(&self, part: u8) {
        self.polled.store(part, SeqCst);
    }

    /// Polls the calls that were woken, and those that these have woken. The set of calls wakes its task also when it has
    /// polled each of them once, and mostly none is left then.
    fn poll_calls(&self, calls: &mut Calls, waker: &Waker) {
        for _ in 0..2 {
            self.are_calls_woken.store(false, SeqCst);
            calls.poll(&mut Context::from_waker(waker));
            if !self.are_calls_woken.load(SeqCst) {
                return;
            }
        }
        // They go on after other tasks.
        self.are_calls_woken.store(false, SeqCst);
        self.task.wake_by_ref();
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.0.polled.load(SeqCst) != CALLS {
            self.0.task.wake_by_ref();
        }
    }
}

impl Wake for CallsWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Noted first, and looked for last: another thread may wake a call at the end of the turn.
        self.0.are_calls_woken.store(true, SeqCst);
        if self.0.polled.load(SeqCst) == NOTHING {
            self.0.task.wake_by_ref();
        }
    }
}

const NOTHING: u8 = 0;
const CALLS: u8 = 1;
const CONNECTION: u8 = 2;
