//! Accepting connections until the drain.

use std::{
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::threads::drain::{Draining, Stopped};

/// Accepts connections until the drain begins, and gives each to `spawn`, with the tasks of those that are open.
///
/// # Errors
///
/// [`Stopped`] if the gateway was dropped.
pub(crate) async fn accept(
    listener: TcpListener,
    draining: &mut Draining,
    connections: &mut JoinSet<()>,
    spawn: impl Fn(&mut JoinSet<()>, TcpStream, SocketAddr),
) -> Result<(), Stopped> {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => spawn(connections, stream, peer),
                Err(error) => back_off(error).await,
            },
            Some(_) = connections.join_next() => {}
            drained = draining.begun() => break drained?,
        }
    }
    for (stream, peer) in close(listener) {
        let registered = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = registered {
            spawn(connections, stream, peer);
        }
    }
    Ok(())
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
