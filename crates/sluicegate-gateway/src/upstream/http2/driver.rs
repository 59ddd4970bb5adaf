//! Driving a connection's socket, and finding out when it is of no more use.

use std::{pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use crate::{io::idle_timer::IdleTimer, upstream::dial::Wire};

/// Drives the socket until the connection is over, or of no more use.
pub(super) async fn drive(
    connection: Pin<Box<h2::client::Connection<Wire, Bytes>>>,
    pings: PingPong,
    shared: Rc<Shared>,
) {
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to an upstream broke");
            }
        }
        // Dropping the connection closes the socket and ends its requests.
        () = until_useless(&shared, pings) => {}
    }
    shared.retire();
}

/// Resolves when the connection has been idle for as long as it is kept, or the upstream does not answer a ping.
async fn until_useless(shared: &Shared, mut pings: PingPong) {
    let mut pinged: Option<Instant> = None;
    loop {
        let due = || {
            let heard = shared.heard.get();
            match pinged.filter(|pinged| *pinged >= heard) {
                _ if shared.running.get() == 0 => heard + shared.keep_alive.get(),
                None => heard + FIRST_PING,
                Some(pinged) => pinged + NEXT_PING,
            }
        };
        IdleTimer::ended(|| shared.keep_alive.get(), due).await;
        if shared.running.get() == 0 {
            shared.retire();
            // Without a sender, the connection itself says goodbye and closes.
            return sleep(GOODBYE).await;
        }
        pinged = Some(Instant::now());
        match timeout(PONG, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection's own future returns the error.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return tracing::warn!("an upstream does not answer a ping: its connection is closed"),
        }
    }
}

/// The time that an upstream may be silent while requests run, before it gets a ping.
const FIRST_PING: Duration = Duration::from_secs(30);

/// Until it is asked again. Servers of gRPC take pings for an attack that come more often than every five minutes while
/// they have nothing to say.
const NEXT_PING: Duration = Duration::from_secs(310);

/// The maximum time to reply to a ping.
const PONG: Duration = Duration::from_secs(20);

/// The maximum time for an idle connection to close.
const GOODBYE: Duration = Duration::from_secs(5);
