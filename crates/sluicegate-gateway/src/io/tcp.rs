//! TCP settings of every connection of the gateway.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Sets the options of a stream that was accepted or has been connected.
///
/// # Errors
///
/// When they cannot be set: the other side is gone already.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Server-sent events must leave at once, however small.
    stream.set_nodelay(true)?;
    // A host that vanishes says nothing, and neither do we while we wait for it: the kernel asks whether it is there.
    let keep_alive = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(RETRIES);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// The time that a connection may be silent before the first probe.
const SILENCE: Duration = Duration::from_secs(30);

/// From one question to the next, while none is answered.
const INTERVAL: Duration = Duration::from_secs(10);

/// Questions without an answer that end the connection.
const RETRIES: u32 = 3;
