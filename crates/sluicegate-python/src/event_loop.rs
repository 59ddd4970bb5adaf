//! Runs the futures of stores elsewhere in the event loop that waits for them.
//!
//! A future is polled by the loop's own thread, and nowhere else. What wakes it, on the store's thread, puts it into the loop's
//! basket and rings a bell, which the loop reads as it reads its sockets. So nobody waits for the interpreter's lock on a
//! thread of Rust, no pool of threads is needed, and one ring brings all answers that have arrived.

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
pub(crate) type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

type Answering = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Polls a future once, and gives its outcome if that is all it took; else an `asyncio.Future` of it.
pub(crate) fn start(py: Python<'_>, future: Answering) -> PyResult<Started> {
    let (event_loop, basket) = running(py)?;
    let task = Arc::new(Task { future: Mutex::new(Some(future)), promise: OnceLock::new(), basket });
    let (polled, wakes) = batch_wakes(|| task.poll());
    if !wakes.is_empty() {
        task.basket.defer(event_loop.bind(py), wakes)?;
    }
    transitions::tell(py);
    match polled {
        Poll::Ready(outcome) => Ok(Started::Done(outcome(py)?)),
        Poll::Pending => {
            let promise = event_loop.bind(py).call_method0(intern!(py, "create_future"))?.unbind();
            // Nobody polls the task before this thread is back in its loop, so the promise is there in time.
            let _ = task.promise.set(promise.clone_ref(py));
            Ok(Started::Promised(promise))
        }
    }
}

/// The beginning of a future.
pub(crate) enum Started {
    /// It had nothing to wait for.
    Done(Py<PyAny>),
    /// An `asyncio.Future` of its outcome.
    Promised(Py<PyAny>),
}

/// A future that somebody in a loop waits for.
struct Task {
    /// None once it is done.
    future: Mutex<Option<Answering>>,
    promise: OnceLock<Py<PyAny>>,
    basket: Arc<Basket>,
}

impl Task {
    fn poll(self: &Arc<Self>) -> Poll<Outcome> {
        let waker = Waker::from(Arc::clone(self));
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = future.as_mut() else { return Poll::Pending };
        let polled = running.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            *future = None;
        }
        polled
    }

    /// Keeps the promise, if the future is done.
    fn go_on(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let (Poll::Ready(outcome), Some(promise)) = (self.poll(), self.promise.get()) else { return Ok(()) };
        let promise = promise.bind(py);
        // Whoever was cancelled wants no answer: dropping it gives back the slots that it took.
        if promise.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match outcome(py) {
            Ok(value) => promise.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => promise.call_method1(intern!(py, "set_exception"), (error,))?,
        };
        Ok(())
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let basket = Arc::clone(&self.basket);
        basket.put(self);
    }
}

/// The futures that a loop is to go on with.
struct Basket {
    tasks: Mutex<Vec<Arc<Task>>>,
    bell: UnixStream,
    /// The wake-ups of stores that wait for the end of the loop's turn.
    deferred: Mutex<WakeBatch>,
}

impl Basket {
    /// Wakes the store when the loop has done what is ready now: it gets all requests of this turn in one go, and takes the
    /// processor from the loop once.
    fn defer(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>, wakes: WakeBatch) -> PyResult<()> {
        let mut deferred = self.deferred.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = deferred.is_empty();
        deferred.extend(wakes);
        drop(deferred);
        if is_first {
            let wake = WakeStores { basket: Arc::clone(self) };
            event_loop.call_method1(intern!(event_loop.py(), "call_soon"), (wake,))?;
        }
        Ok(())
    }

    fn put(&self, task: Arc<Task>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(task);
        if tasks.len() == 1 {
            // A full bell rings already, and one that nobody hears belongs to a loop that is closed.
            let _ = (&self.bell).write(&[1]);
        }
    }

    fn take(&self) -> Vec<Arc<Task>> {
        mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Wakes the stores that were asked in a turn of a loop: the callback of its next turn.
#[pyclass(frozen)]
struct WakeStores {
    basket: Arc<Basket>,
}

#[pymethods]
impl WakeStores {
    fn __call__(&self) {
        drop(mem::take(&mut *self.basket.deferred.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

/// Hears the bell: the callback of a loop, which keeps it for as long as it lives.
#[pyclass(frozen)]
struct Bell {
    basket: Arc<Basket>,
    heard: UnixStream,
    generation: u64,
}

#[pymethods]
impl Bell {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let mut rings = [0; 64];
        // The bell before the basket: what is put there in between rings again.
        while match (&self.heard).read(&mut rings) {
            Ok(length) => length == rings.len(),
            Err(error) => error.kind() == ErrorKind::Interrupted,
        } {}
        for task in self.basket.take() {
            if let Err(error) = task.go_on(py) {
                error.write_unraisable(py, None);
            }
        }
        transitions::tell(py);
        Ok(())
    }
}

thread_local! {
    /// The loop that ran here last, and its basket.
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

struct Last {
    /// Weak: a loop that is closed goes, though no other runs here.
    event_loop: Py<PyWeakrefReference>,
    basket: Arc<Basket>,
    generation: u64,
}

/// The loop that runs in this thread, and its basket.
fn running(py: Python<'_>) -> PyResult<(Py<PyAny>, Arc<Basket>)> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let event_loop = RUNNING.import(py, "asyncio", "get_running_loop")?.call0()?;
    let generation = fork::generation();
    let known = LAST.with_borrow(|last| {
        let last = last.as_ref()?;
        let is_known = last.generation == generation
            && last.event_loop.bind(py).upgrade().is_some_and(|known| known.is(&event_loop));
        is_known.then(|| Arc::clone(&last.basket))
    });
    let basket = match known {
        Some(basket) => basket,
        None => {
            let basket = basket_of(&event_loop, generation)?;
            let known = PyWeakrefReference::new(&event_loop)?.unbind();
            let last = Last { event_loop: known, basket: Arc::clone(&basket), generation };
            drop(LAST.replace(Some(last)));
            basket
        }
    };
    Ok((event_loop.unbind(), basket))
}

/// The basket of a loop. A loop has one for as long as it lives; a process has its own, not its parent's.
fn basket_of(event_loop: &Bound<'_, PyAny>, generation: u64) -> PyResult<Arc<Basket>> {
    static BELLS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event_loop.py();
    let bells = BELLS.get_or_try_init(py, || {
        PyResult::Ok(py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?.unbind())
    })?;
    let bells = bells.bind(py);
    let known = bells.call_method1("get", (event_loop,))?;
    if let Ok(bell) = known.cast::<Bell>()
        && bell.get().generation == generation
    {
        return Ok(Arc::clone(&bell.get().basket));
    }
    forget_closed(bells)?;
    let (bell, heard) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    heard.set_nonblocking(true)?;
    let basket = Arc::new(Basket { tasks: Mutex::default(), bell, deferred: Mutex::default() });
    let fd = heard.as_raw_fd();
    let bell = Bound::new(py, Bell { basket: Arc::clone(&basket), heard, generation })?;
    event_loop.call_method1("add_reader", (fd, &bell))?;
    bells.set_item(event_loop, bell)?;
    Ok(basket)
}

/// Drops what has arrived for loops that are closed, which gives back the slots that it took.
///
/// A future knows its loop by its promise, and would keep it for ever.
fn forget_closed(bells: &Bound<'_, PyAny>) -> PyResult<()> {
    for known in bells.call_method0("items")?.try_iter()?.collect::<PyResult<Vec<_>>>()? {
        let (event_loop, bell): (Bound<'_, PyAny>, Bound<'_, Bell>) = known.extract()?;
        if event_loop.call_method0("is_closed")?.is_truthy()? {
            // Heard to its end, for an answer knows what it holds once it has been read.
            bell.get().basket.take().iter().for_each(|task| drop(task.poll()));
        }
    }
    Ok(())
}
