//! Accepting those who ask, until the drain.

use std::net::{IpAddr, SocketAddr};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    reload::current::Current,
    threads::{
        accepting::accept,
        drain::{Draining, Stopped},
    },
};

/// Serves connections until the drain begins, then for as long as the gateway's own requests may finish.
///
/// Returns the number of connections that had to be cut.
pub(super) async fn serve_until_drained<F>(
    listener: TcpListener,
    current: &Current,
    mut draining: Draining,
    serve: impl Fn(TcpStream, IpAddr) -> F,
) -> usize
where
    F: Future<Output = ()> + 'static,
{
    let mut connections = JoinSet::new();
    let spawn = |connections: &mut JoinSet<()>, stream, peer: SocketAddr| {
        // A caller needs few. So many are of somebody else, or of a caller that never closes any.
        if connections.len() < MOST_CONNECTIONS {
            connections.spawn_local(serve(stream, peer.ip()));
        }
    };
    if let Err(Stopped) = accept(listener, &mut draining, &mut connections, spawn).await {
        return connections.len();
    }
    let drain_timeout = current.proxy().settings().drain_timeout;
    let finished = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        _ = timeout(drain_timeout, finished) => {}
        () = draining.stopped() => {}
    }
    connections.len()
}

/// Connections of one listener of one worker.
const MOST_CONNECTIONS: usize = 16 * 1024;
