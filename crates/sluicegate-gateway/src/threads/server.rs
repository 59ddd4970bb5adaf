//! Accepting clients on one worker, until the drain.

use std::{
    io,
    net::{self, SocketAddr},
    rc::Rc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::Clients,
    threads::drain::{Draining, Stopped},
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
        for (stream, peer) in close(listener) {
            let registered = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = registered {
                self.spawn(&mut connections, stream, peer);
            }
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

/// Closes a listener, and gives those who have connected already. The kernel resets whoever comes between the last look and
/// the end, so nothing else happens in between.
fn close(listener: TcpListener) -> Vec<(net::TcpStream, SocketAddr)> {
    let mut queued = Vec::new();
    let Ok(listener) = listener.into_std() else { return queued };
    loop {
        match listener.accept() {
            Ok(accepted) => queued.push(accepted),
            Err(error) if is_of_one_client(&error) => {}
            Err(_) => return queued,
        }
    }
}

/// Returns `true` if the next client can be accepted in spite of the error.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Waits where accepting again at once would only fail again.
async fn back_off(error: io::Error) {
    if !is_of_one_client(&error) {
        tracing::error!(%error, "cannot accept connections");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// The pause when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
