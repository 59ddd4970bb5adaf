//! One thread with its own runtime, listeners and upstream connections.

use std::{
    io, net,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use sluicegate::SystemClock;
use sluicegate_stores::AnyStore;
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::{mpsc::UnboundedReceiver, oneshot},
    task::spawn_local,
};

use crate::{
    client::{Clients, IdleCalls},
    decisions::{Decisions, permits::Permits, resp::Resp},
    io::tls::Certificates,
    reload::{
        current::Current,
        generation::{Adoption, Generation},
    },
    threads::{drain::Draining, server::Server},
};

/// A running worker thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) thread: thread::JoinHandle<()>,
    /// Gives the number of connections cut when the worker has drained.
    pub(crate) finished: oneshot::Receiver<usize>,
}

/// A worker's listeners.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// For clients, where there is an upstream.
    pub(crate) clients: Option<Port>,
    /// For proxies that ask for decisions.
    pub(crate) decisions: Option<Port>,
    /// For clients that speak the Redis protocol.
    pub(crate) resp: Option<Port>,
}

/// A listener, whose peers connect by TLS if it has certificates.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) listener: net::TcpListener,
    pub(crate) certificates: Option<Certificates>,
}

impl Worker {
    /// Starts a thread that serves `ports` by `generation`, and by those that arrive later.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread or no event queue.
    pub(crate) fn spawn(
        index: usize,
        ports: Ports,
        generation: Arc<Generation>,
        adoptions: UnboundedReceiver<Adoption>,
        draining: Draining,
        permits: Arc<Permits<AnyStore, SystemClock>>,
    ) -> io::Result<Self> {
        let (done, finished) = oneshot::channel();
        let (started, start) = mpsc::sync_channel(1);
        let work = move || {
            // A local runtime cannot leave its thread, so it is made there.
            let ready = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .and_then(|runtime| {
                    let _context = runtime.enter();
                    let clients = ports.clients.map(listen).transpose()?;
                    let decisions = ports.decisions.map(listen).transpose()?;
                    let resp = ports.resp.map(listen).transpose()?;
                    Ok((runtime, clients, decisions, resp))
                });
            let (runtime, clients, decisions, resp) = match ready {
                Ok(ready) => ready,
                Err(error) => return drop(started.send(Err(error))),
            };
            // Both receivers may be gone: they are not awaited when the gateway is dropped.
            let _ = started.send(Ok(()));
            let _ = done.send(runtime.block_on(async {
                let current = Rc::new(Current::new(&generation));
                // Its series are removed when no worker uses it any more.
                drop(generation);
                let following = Rc::clone(&current);
                spawn_local(async move { following.follow(adoptions).await });
                let serve = async {
                    let Some((listener, certificates)) = clients else { return 0 };
                    let current = Rc::clone(&current);
                    let clients = Clients { current, certificates, idle_calls: IdleCalls::default() };
                    Server { clients: Rc::new(clients), draining: draining.clone() }.run(listener).await
                };
                let decide = async {
                    let Some((listener, certificates)) = decisions else { return 0 };
                    let current = Rc::clone(&current);
                    Decisions::new(current, certificates, draining.clone(), permits).run(listener).await
                };
                let throttle = async {
                    let Some((listener, certificates)) = resp else { return 0 };
                    Resp::new(Rc::clone(&current), certificates, draining.clone()).run(listener).await
                };
                let (served, decided, throttled) = tokio::join!(serve, decide, throttle);
                served + decided + throttled
            }));
        };
        let thread = thread::Builder::new().name(format!("sluicegate-{index}")).spawn(work)?;
        match start.recv() {
            Ok(Ok(())) => Ok(Self { thread, finished }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the worker ended before it began")),
        }
    }
}

fn listen(Port { listener, certificates }: Port) -> io::Result<(TcpListener, Option<Certificates>)> {
    Ok((TcpListener::from_std(listener)?, certificates))
}
