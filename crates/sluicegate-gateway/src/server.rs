//! Accepting clients on one worker, and serving their connections.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, rc::Rc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioTimer;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::{ClientStream, Unread},
    drain::{Draining, Stopped},
    forward::Peer,
    proxy::Proxy,
};

/// One worker's server.
pub(crate) struct Server {
    pub(crate) proxy: Rc<Proxy>,
    pub(crate) draining: Draining,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) drain_timeout: Duration,
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
        let finished = async { while connections.join_next().await.is_some() {} };
        // The limit may be reached: what is left is cut by dropping it.
        let _ = timeout(self.drain_timeout, finished).await;
        connections.len()
    }

    fn spawn(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        let unread = Unread::default();
        // A client that has gone again needs no answer.
        let Ok(stream) = ClientStream::new(stream, self.idle_timeout, unread.clone()) else { return };
        let proxy = Rc::clone(&self.proxy);
        let peer = Rc::new(Peer::new(peer.ip()));
        let service = service_fn(move |request| {
            let (proxy, peer, unread) = (Rc::clone(&proxy), Rc::clone(&peer), unread.clone());
            async move { Ok::<_, Infallible>(proxy.serve(request, &peer, unread).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(MAX_BUFFER)
            .max_header_size(MAX_HEAD)
            .serve_connection(stream, service);
        let mut draining = self.draining.clone();
        connections.spawn_local(async move {
            let mut connection = pin!(connection);
            let served = tokio::select! {
                biased;
                served = connection.as_mut() => served,
                Ok(()) = draining.begun() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a client's connection ended early");
            }
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

/// The most that hyper buffers for a client.
const MAX_BUFFER: usize = 64 * 1024;

/// The largest head of a request; above, 431.
const MAX_HEAD: usize = 32 * 1024;

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
