//! Accepting clients on one worker, until the drain.

use std::{net::SocketAddr, rc::Rc};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::Clients,
    threads::{
        accepting::accept,
        drain::{Draining, Stopped},
    },
};

/// One worker's server.
pub(crate) struct Server {
    pub(crate) clients: Rc<Clients>,
    pub(crate) draining: Draining,
}

impl Server {
    /// Serves clients until the drain begins, then lets running requests finish within the drain timeout.
    ///
    /// Returns the number of connections that had to be cut, and of requests without a client.
    pub(crate) async fn run(self, listener: TcpListener) -> usize {
        let mut connections = JoinSet::new();
        let mut draining = self.draining.clone();
        let spawn = |connections: &mut JoinSet<()>, stream, peer: SocketAddr| {
            self.spawn(connections, stream, peer);
        };
        if let Err(Stopped) = accept(listener, &mut draining, &mut connections, spawn).await {
            return connections.len();
        }
        let proxy = self.clients.current.proxy();
        let drain_timeout = proxy.settings().drain_timeout;
        let finished = async {
            while connections.join_next().await.is_some() {}
            proxy.detached.idle().await;
        };
        // The rest is dropped when the time is over, or when the drain is no longer awaited.
        tokio::select! {
            _ = timeout(drain_timeout, finished) => {}
            () = draining.stopped() => {}
        }
        connections.len() + proxy.detached.abandoned()
    }

    fn spawn(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        let proxy = self.clients.current.proxy();
        let Some(connected) = proxy.metrics().connections.admit(peer.ip(), proxy.policy()) else { return };
        let (clients, draining) = (Rc::clone(&self.clients), self.draining.clone());
        connections.spawn_local(async move {
            clients.serve(stream, connected, draining).await;
        });
    }
}
