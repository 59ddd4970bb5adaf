//! One thread with its own runtime, listener and upstream connections.

use std::{
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use sluicegate_policy::{Gate, GatewaySettings, Route};
use sluicegate_stores::AnyStore;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::oneshot,
};

use crate::{
    client::Clients,
    drain::Draining,
    forward::Forward,
    log::DenialLog,
    metrics::Metrics,
    proxy::Proxy,
    server::Server,
    upstream::{Health, Patience, Upstreams},
};

/// A running worker thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) thread: thread::JoinHandle<()>,
    /// Gives the number of connections cut when the worker has drained.
    pub(crate) finished: oneshot::Receiver<usize>,
}

/// What every worker is built from.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) settings: GatewaySettings,
    /// One for each of the settings' upstreams.
    pub(crate) healths: Arc<[Arc<Health>]>,
    pub(crate) gate: Arc<Gate<AnyStore>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) denials: DenialLog,
    pub(crate) draining: Draining,
}

impl Worker {
    /// Starts a thread that serves `listener`.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread or no event queue.
    pub(crate) fn spawn(index: usize, listener: TcpListener, blueprint: Blueprint) -> io::Result<Worker> {
        let (done, finished) = oneshot::channel();
        let (started, start) = mpsc::sync_channel(1);
        let work = move || {
            // A local runtime cannot leave its thread, so it is made there.
            let ready = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .and_then(|runtime| {
                    let _context = runtime.enter();
                    tokio::net::TcpListener::from_std(listener).map(|listener| (runtime, listener))
                });
            let (runtime, listener) = match ready {
                Ok(ready) => ready,
                Err(error) => return drop(started.send(Err(error))),
            };
            // Both receivers may be gone: nobody waits when the gateway is dropped.
            let _ = started.send(Ok(()));
            let _ = done.send(runtime.block_on(blueprint.server().run(listener)));
        };
        let thread = thread::Builder::new().name(format!("sluicegate-{index}")).spawn(work)?;
        match start.recv() {
            Ok(Ok(())) => Ok(Worker { thread, finished }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the worker ended before it began")),
        }
    }
}

impl Blueprint {
    fn server(self) -> Server {
        let settings = self.settings;
        let patience = |route: &Route| Patience {
            response: route.timeouts().response.unwrap_or(settings.response_timeout),
            idle: route.timeouts().idle.unwrap_or(settings.idle_timeout),
            keep_alive: settings.keep_alive,
            total: route.timeouts().total,
        };
        let patiences = self.gate.policy().routes.as_slice().iter().map(patience).collect();
        let upstreams = Upstreams::new(&settings, &self.healths);
        // All have the same base path.
        let forward =
            Forward::new(&settings.upstreams[0], settings.trusted_proxies, settings.forwarded_header);
        let proxy = Proxy {
            gate: self.gate,
            forward,
            metrics: self.metrics,
            denials: self.denials,
            upstreams,
            patiences,
        };
        let clients = Clients {
            proxy: Rc::new(proxy),
            header_timeout: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
        };
        Server { clients: Rc::new(clients), draining: self.draining, drain_timeout: settings.drain_timeout }
    }
}
