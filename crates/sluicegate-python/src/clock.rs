//! Clocks of a memory store: the system's, a test's, or Python's `time.time`.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pyo3::{exceptions::PyValueError, prelude::*};
use sluicegate::{ManualClock, SystemClock, Timestamp};

/// The clock of a store in memory.
#[derive(Clone, Debug)]
pub(crate) enum AnyClock {
    System(SystemClock),
    Manual(ManualClock),
    Wall(Arc<WallClock>),
}

impl sluicegate::Clock for AnyClock {
    #[inline]
    fn now(&self) -> Timestamp {
        match self {
            Self::System(clock) => clock.now(),
            Self::Manual(clock) => clock.now(),
            Self::Wall(clock) => clock.now.now(),
        }
    }
}

/// A clock that stands still until a test moves it.
#[pyclass(frozen, name = "ManualClock", module = "sluicegate")]
#[derive(Default)]
pub(crate) struct Clock(ManualClock);

#[pymethods]
impl Clock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn advance(&self, seconds: f64) -> PyResult<()> {
        let by = Duration::try_from_secs_f64(seconds);
        let by =
            by.map_err(|_| PyValueError::new_err(format!("a clock cannot go forward by {seconds} s")))?;
        self.0.advance(by);
        Ok(())
    }

    fn now(&self) -> f64 {
        sluicegate::Clock::now(&self.0).since(Timestamp::EPOCH).as_secs_f64()
    }
}

/// A clock that goes as Python's `time.time` does, which tests replace to move it.
///
/// It adds up the steps that `time.time` goes forward. Where that goes back, as when a test freezes a day of the past, this
/// clock stands still, and goes on with the next step. It is read [before](AnyClock::refresh) a store is asked, for a store
/// reads its clock while it holds a lock, and Python may let another thread go on that waits for the same lock.
pub(crate) struct WallClock {
    time: Py<PyModule>,
    /// The last reading of `time.time`.
    last: Mutex<f64>,
    now: ManualClock,
}

impl WallClock {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let time = py.import("time")?.unbind();
        let clock = Self { time, last: Mutex::new(f64::INFINITY), now: ManualClock::new() };
        clock.read(py)?;
        Ok(clock)
    }

    fn read(&self, py: Python<'_>) -> PyResult<()> {
        // Looked up each time, for tests put another function in its place.
        let time: f64 = self.time.bind(py).call_method0(pyo3::intern!(py, "time"))?.extract()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(step) = Duration::try_from_secs_f64(time - *last) {
            self.now.advance(step);
        }
        *last = time;
        Ok(())
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("time.time")
    }
}

impl AnyClock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        Self::System(SystemClock::new())
    }

    /// Brings a clock that Python moves to the present. Called before a store is asked.
    #[inline]
    pub(crate) fn refresh(&self, py: Python<'_>) {
        if let Self::Wall(clock) = self {
            // A `time.time` that fails leaves the clock where it was: never later than the true time.
            let _ = clock.read(py);
        }
    }

    /// The `clock` argument: none for the system's, a [`Clock`], or the text `time.time`.
    pub(crate) fn of(clock: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(clock) = clock else { return Ok(Self::system()) };
        if let Ok(manual) = clock.cast::<Clock>() {
            return Ok(Self::Manual(manual.get().0.clone()));
        }
        match clock.extract::<&str>() {
            Ok("time.time") => Ok(Self::Wall(Arc::new(WallClock::new(clock.py())?))),
            _ => Err(PyValueError::new_err("clock must be a sluicegate.ManualClock, \"time.time\" or None")),
        }
    }
}
