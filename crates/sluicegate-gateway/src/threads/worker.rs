//! One thread with its own runtime, listener and upstream connections.

use std::{
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc::UnboundedReceiver, oneshot},
    task::spawn_local,
};

use crate::{
    client::{Clients, IdleCalls},
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

impl Worker {
    /// Starts a thread that serves `listener` by `generation`, and by those that arrive later.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread or no event queue.
    pub(crate) fn spawn(
        index: usize,
        listener: TcpListener,
        generation: Arc<Generation>,
        adoptions: UnboundedReceiver<Adoption>,
        certificates: Option<Certificates>,
        draining: Draining,
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
                    tokio::net::TcpListener::from_std(listener).map(|listener| (runtime, listener))
                });
            let (runtime, listener) = match ready {
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
                let clients = Clients { current, certificates, idle_calls: IdleCalls::default() };
                Server { clients: Rc::new(clients), draining }.run(listener).await
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
