//! Runs the futures of remote stores in the event loop that waits for them.
//!
//! Only the loop's own thread polls a future. The store's thread wakes it: it puts the task into the loop's ready queue and
//! writes to a socket, which the loop reads like its other sockets. So no thread of Rust waits for the interpreter's lock, no
//! pool of threads is needed, and one wake-up delivers all results that have arrived.

use std::{
    cell::RefCell,
    future::Future,
    io::{ErrorKind, Read, Write},
    mem,
    os::{fd::AsRawFd, unix::net::UnixStream},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyWeakrefMethods, PyWeakrefReference},
};
use sluicegate_remote::{WakeBatch, batch_wakes};

use crate::{fork, transitions};

/// The result of a future, converted once the interpreter is available.
pub(crate) type Completion = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

type CompletionFuture = Pin<Box<dyn Future<Output = Completion> + Send>>;

/// Polls a future once. Returns its result if it is ready, and an `asyncio.Future` of it otherwise.
pub(crate) fn start(py: Python<'_>, future: CompletionFuture) -> PyResult<Started> {
    let (event_loop, queue) = running(py)?;
    let task = Arc::new(Task { future: Mutex::new(Some(future)), awaited: OnceLock::new(), queue });
    let (polled, wakes) = batch_wakes(|| task.poll());
    if !wakes.is_empty() {
        task.queue.defer(event_loop.bind(py), wakes)?;
    }
    transitions::tell(py);
    match polled {
        Poll::Ready(completion) => Ok(Started::Done(completion(py)?)),
        Poll::Pending => {
            let awaited = event_loop.bind(py).call_method0(intern!(py, "create_future"))?.unbind();
            // The task is polled next when this thread is back in its loop, so the future is there in time.
            let _ = task.awaited.set(awaited.clone_ref(py));
            Ok(Started::Pending(awaited))
        }
    }
}

/// Returns `true` if a loop runs in this thread.
pub(crate) fn is_running(py: Python<'_>) -> bool {
    running(py).is_ok()
}

/// The state of a future after its first poll.
pub(crate) enum Started {
    /// It was ready.
    Done(Py<PyAny>),
    /// An `asyncio.Future` of its result.
    Pending(Py<PyAny>),
}

/// A future, and the `asyncio.Future` that its caller awaits.
struct Task {
    /// None once it is done.
    future: Mutex<Option<CompletionFuture>>,
    awaited: OnceLock<Py<PyAny>>,
    queue: Arc<ReadyQueue>,
}

impl Task {
    fn poll(self: &Arc<Self>) -> Poll<Completion> {
        let waker = Waker::from(Arc::clone(self));
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = future.as_mut() else { return Poll::Pending };
        let polled = running.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            *future = None;
        }
        polled
    }

    /// Polls the future again, and resolves the `asyncio.Future` if it is ready.
    fn proceed(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let (Poll::Ready(completion), Some(awaited)) = (self.poll(), self.awaited.get()) else {
            return Ok(());
        };
        let awaited = awaited.bind(py);
        // A cancelled caller wants no result: dropping it gives back the slots that it took.
        if awaited.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match completion(py) {
            Ok(value) => awaited.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => awaited.call_method1(intern!(py, "set_exception"), (error,))?,
        };
        Ok(())
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = Arc::clone(&self.queue);
        queue.put(self);
    }
}

/// The tasks of a loop that are to be polled again.
struct ReadyQueue {
    tasks: Mutex<Vec<Arc<Task>>>,
    /// Wakes the loop.
    waker: UnixStream,
    /// The wake-ups of stores that are deferred to the end of the loop's turn.
    deferred: Mutex<WakeBatch>,
}

impl ReadyQueue {
    /// Wakes the store at the end of the loop's turn. It gets all requests of this turn at once, and takes the processor from
    /// the loop once.
    fn defer(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>, wakes: WakeBatch) -> PyResult<()> {
        let mut deferred = self.deferred.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = deferred.is_empty();
        deferred.extend(wakes);
        drop(deferred);
        if is_first {
            let wake = WakeStores { queue: Arc::clone(self) };
            event_loop.call_method1(intern!(event_loop.py(), "call_soon"), (wake,))?;
        }
        Ok(())
    }

    fn put(&self, task: Arc<Task>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(task);
        if tasks.len() == 1 {
            // A full socket wakes the loop already, and a closed one belongs to a loop that is closed.
            let _ = (&self.waker).write(&[1]);
        }
    }

    fn take(&self) -> Vec<Arc<Task>> {
        mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The callback of a loop's next turn, which wakes the stores that were called in this one.
#[pyclass(frozen)]
struct WakeStores {
    queue: Arc<ReadyQueue>,
}

#[pymethods]
impl WakeStores {
    fn __call__(&self) {
        drop(mem::take(&mut *self.queue.deferred.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

/// The callback of a loop for its wake-ups. The loop keeps it for as long as it lives.
#[pyclass(frozen)]
struct Wakeup {
    queue: Arc<ReadyQueue>,
    receiver: UnixStream,
    generation: u64,
}

#[pymethods]
impl Wakeup {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 64];
        // The socket before the queue: a task that is queued in between wakes the loop again.
        while match (&self.receiver).read(&mut bytes) {
            Ok(length) => length == bytes.len(),
            Err(error) => error.kind() == ErrorKind::Interrupted,
        } {}
        for task in self.queue.take() {
            if let Err(error) = task.proceed(py) {
                error.write_unraisable(py, None);
            }
        }
        transitions::tell(py);
        Ok(())
    }
}

thread_local! {
    /// The loop that ran in this thread last, and its queue.
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

struct Last {
    /// Weak, so that a closed loop is freed although no other runs in this thread.
    event_loop: Py<PyWeakrefReference>,
    queue: Arc<ReadyQueue>,
    generation: u64,
}

/// Returns the loop that runs in this thread, and its queue.
fn running(py: Python<'_>) -> PyResult<(Py<PyAny>, Arc<ReadyQueue>)> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let event_loop = RUNNING.import(py, "asyncio", "get_running_loop")?.call0()?;
    let generation = fork::generation();
    let known = LAST.with_borrow(|last| {
        let last = last.as_ref()?;
        let is_known = last.generation == generation
            && last.event_loop.bind(py).upgrade().is_some_and(|known| known.is(&event_loop));
        is_known.then(|| Arc::clone(&last.queue))
    });
    let queue = match known {
        Some(queue) => queue,
        None => {
            let queue = queue_of(&event_loop, generation)?;
            let known = PyWeakrefReference::new(&event_loop)?.unbind();
            let last = Last { event_loop: known, queue: Arc::clone(&queue), generation };
            drop(LAST.replace(Some(last)));
            queue
        }
    };
    Ok((event_loop.unbind(), queue))
}

/// Returns the queue of a loop. A loop has one for as long as it lives. A process has its own, not its parent's.
fn queue_of(event_loop: &Bound<'_, PyAny>, generation: u64) -> PyResult<Arc<ReadyQueue>> {
    static WAKEUPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event_loop.py();
    let wakeups = WAKEUPS.get_or_try_init(py, || {
        PyResult::Ok(py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?.unbind())
    })?;
    let wakeups = wakeups.bind(py);
    let known = wakeups.call_method1("get", (event_loop,))?;
    if let Ok(wakeup) = known.cast::<Wakeup>()
        && wakeup.get().generation == generation
    {
        return Ok(Arc::clone(&wakeup.get().queue));
    }
    forget_closed(wakeups)?;
    let (waker, receiver) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    let queue = Arc::new(ReadyQueue { tasks: Mutex::default(), waker, deferred: Mutex::default() });
    let fd = receiver.as_raw_fd();
    let wakeup = Bound::new(py, Wakeup { queue: Arc::clone(&queue), receiver, generation })?;
    event_loop.call_method1("add_reader", (fd, &wakeup))?;
    wakeups.set_item(event_loop, wakeup)?;
    Ok(queue)
}

/// Drops the results that have arrived for closed loops, which gives back the slots that they took.
///
/// A task refers to its loop by its `asyncio.Future`, and would keep it for ever.
fn forget_closed(wakeups: &Bound<'_, PyAny>) -> PyResult<()> {
    for known in wakeups.call_method0("items")?.try_iter()?.collect::<PyResult<Vec<_>>>()? {
        let (event_loop, wakeup): (Bound<'_, PyAny>, Bound<'_, Wakeup>) = known.extract()?;
        if event_loop.call_method0("is_closed")?.is_truthy()? {
            // Polled to its end, because a reply knows its slots once it has been read.
            wakeup.get().queue.take().iter().for_each(|task| drop(task.poll()));
        }
    }
    Ok(())
}
