//! Accepting clients on one worker, until the drain.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::Clients,
    drain::{Draining, Stopped},
};

/// One worker's server.
pub(crate) struct Server {
    pub(crate) clients: Rc<Clients>,
    pub(crate) draining: Draining,
}

impl Server {
    /// Serves clients until the drain begins, then lets what runs finish within the drain timeout.
    ///
    /// Returns the number of connections that had to be cut.
    pub(crate) async fn run(self, listener: TcpListener) -> usize {
        let mut connections = JoinSet::new();
        let mut draining = self.draining.clone();
        let drained = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.spawn(&mut connections, stream, peer),
                    Err(error) => back_off(error).await,
                },
                Some(_) = connections.join_next() => {}
                drained = draining.begun() => break drained,
            }
        };
        if let Err(Stopped) = drained {
            return connections.len();
        }
        // Who has connected already must not be reset by closing the listener.
        while let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, listener.accept()).await {
            self.spawn(&mut connections, stream, peer);
        }
        drop(listener);
        let drain_timeout = self.clients.current.proxy().settings().drain_timeout;
        let finished = async { while connections.join_next().await.is_some() {} };
        // What is left when the time is over, or nobody waits for the drain any more, is cut by dropping it.
        tokio::select! {
            _ = timeout(drain_timeout, finished) => {}
            () = draining.stopped() => {}
        }
        connections.len()
    }

    fn spawn(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        let proxy = self.clients.current.proxy();
        let Some(connected) = proxy.metrics.connections.admit(peer.ip(), proxy.gate.policy()) else { return };
        let (clients, draining) = (Rc::clone(&self.clients), self.draining.clone());
        connections.spawn_local(async move {
            clients.serve(stream, connected, draining).await;
        });
    }
}

/// Waits where accepting again at once would only fail again.
async fn back_off(error: io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
