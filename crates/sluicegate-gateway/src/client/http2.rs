//! HTTP/2 with a client: its limits, and the beginning and the end of its requests.

mod call;
mod calls;
mod delivery;
mod frames;
mod liveness;
mod reset_budget;
mod serving;
mod tunnel;

use std::{
    error::Error,
    pin::{Pin, pin},
    rc::Rc,
};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use self::{call::Call, calls::Calls, reset_budget::ResetBudget, serving::Serving};
use super::{Bounds, Clients, client_timeouts::ClientTimeouts, drive, stream::ClientStream};
use crate::{
    io::dormant::Dormant,
    request::{body::Unread, forward::Peer},
    threads::drain::Draining,
};

pub(crate) use self::calls::IdleCalls;
pub(super) use self::{frames::Frames, liveness::Liveness, reset_budget::TooMany};

impl Clients {
    /// Serves a connection of HTTP/2 to its end.
    ///
    /// # Errors
    ///
    /// [`TooMany`], and those of the connection.
    pub(super) async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        stream: S,
        peer: Peer,
        bounds: Bounds,
        mut draining: Draining,
    ) -> Result<(), Box<dyn Error>> {
        let frames = Frames::new(peer.ip, self.current.proxy().metrics().connections.malformed());
        let liveness = Liveness::default();
        let stream = ClientStream::new(stream, Unread::default(), None).watched(frames, liveness.clone());
        let mut connection = tokio::select! {
            biased;
            begun = timeout(bounds.header, builder(bounds).handshake(TokioIo::new(stream))) => begun??,
            // It has not asked for anything.
            () = draining.over(bounds.last) => return Ok(()),
        };
        let pings = connection.ping_pong();
        let (timeouts, reset_budget) = (ClientTimeouts::new(), ResetBudget::new(bounds.max_resets));
        let peer = Rc::new(peer);
        let begin = |respond: SendResponse<Bytes>| Call {
            proxy: self.current.proxy(),
            peer: Rc::clone(&peer),
            liveness: liveness.clone(),
            stall: bounds.idle,
            respond,
            open_request: reset_budget.open(),
            _busy: timeouts.busy(),
        };
        let serving = pin!(Serving::new(connection, begin, Calls::new(self.idle_calls.clone())));
        let finish = |serving: Pin<&mut Serving<_, _>>| serving.get_mut().finish();
        let told_to_end = pin!(async {
            tokio::select! {
                () = draining.there() => {}
                () = timeouts.expired(bounds.keep_alive, bounds.keep_alive) => {}
            }
        });
        let cut = pin!(async {
            tokio::select! {
                () = reset_budget.exceeds() => Err(TooMany),
                () = liveness.lost(pings) => Ok(()),
            }
        });
        let left = timeouts.shutdown_ignored(bounds.header);
        tokio::select! {
            biased;
            served = drive(serving, finish, Dormant::new(told_to_end), left) => Ok(served?),
            cut = Dormant::new(cut) => Ok(cut?),
        }
    }
}

/// HTTP/2 within bounds that no client can pass. A flood of resets of streams that were not accepted ends the connection
/// by the library's own limits.
fn builder(bounds: Bounds) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(bounds.max_streams)
        .max_header_list_size(bounds.max_head)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(MAX_SEND_BUFFER);
    builder
}

/// The maximum of one request's body that a client may send ahead of the upstream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The maximum for all of them together. It is more than a stream's, so that one that waits does not delay
/// the others.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The maximum of a response that is buffered for a client that reads slowly.
const MAX_SEND_BUFFER: usize = 64 * 1024;
