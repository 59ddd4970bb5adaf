//! The running gateway.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use crate::drain::Drain;
use crate::gate::Gate;
use crate::listener;
use crate::settings::GatewaySettings;
use crate::worker::{Blueprint, Worker};

/// A running gateway. Dropping it stops it at once; [`drain`](Gateway::drain) lets what runs finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    drain: Option<Drain>,
    workers: Vec<Worker>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they had not finished within the drain timeout.
    pub cut: usize,
}

impl Gateway {
    /// Binds every address of the policy, starts the workers and returns; the gateway accepts connections from now on.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing keeps running then.
    pub fn start(settings: GatewaySettings) -> Result<Gateway, StartError> {
        let upstream = settings.upstream.clone().ok_or(StartError::NoUpstream)?;
        let threads = settings.threads.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let (address, listeners) = listener::bind_shared(settings.listen, threads)
            .map_err(|error| StartError::Listen(settings.listen, error))?;
        let (drain, draining) = Drain::new();
        let gate = Arc::new(Gate { max_body: settings.max_body });
        let blueprint = Blueprint { settings, upstream, gate, draining };
        let mut gateway = Gateway { address, drain: Some(drain), workers: Vec::new() };
        for (index, listener) in listeners.into_iter().enumerate() {
            let worker = Worker::spawn(index, listener, blueprint.clone()).map_err(StartError::Thread)?;
            gateway.workers.push(worker);
        }
        Ok(gateway)
    }

    /// Where clients are served; has the real port where the policy says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, closes idle connections, and waits until the running requests have finished, streams too, or
    /// the drain timeout has passed.
    pub async fn drain(mut self) -> Drained {
        if let Some(drain) = &self.drain {
            drain.begin();
        }
        let mut cut = 0;
        for worker in &mut self.workers {
            // A worker that is gone has nothing left to cut.
            cut += (&mut worker.finished).await.unwrap_or(0);
        }
        Drained { cut }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.drain = None;
        for worker in self.workers.drain(..) {
            // A worker that panicked has reported that itself.
            let _ = worker.thread.join();
        }
    }
}

/// Why the gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The policy names no upstream.
    NoUpstream,
    /// The public address cannot be bound.
    Listen(SocketAddr, io::Error),
    /// No thread or event queue to serve with.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoUpstream => {
                write!(f, "no upstream: set `upstream` under [gateway], or give --upstream http://HOST:PORT")
            }
            StartError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::Thread(error) => write!(f, "cannot start a worker: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::NoUpstream => None,
            StartError::Listen(_, error) | StartError::Thread(error) => Some(error),
        }
    }
}
