//! Listening sockets, one per worker on the same address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Binds `count` listeners to one address; the kernel spreads new connections over them (`SO_REUSEPORT`).
///
/// Port 0 picks a free port, the same for all of them. Another process may have listeners of this kind on the address only
/// where it is to be `shared` with others.
///
/// # Errors
///
/// The error of the operating system: address in use, not ours, no permission.
pub(crate) fn bind_shared(
    address: SocketAddr,
    count: usize,
    shared: bool,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    if address.port() != 0 && !shared {
        // A forgotten process of ours would get its share of the clients, and apply other limits to them.
        socket(address)?.bind(&address.into())?;
    }
    let first = bind(address)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(bind(bound)?);
    }
    Ok((bound, listeners))
}

/// Binds one listener that does not share its address.
///
/// # Errors
///
/// The error of the operating system: address in use, not ours, no permission.
pub(crate) fn bind_alone(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    listen(socket, address)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    listen(socket, address)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that the kernel keeps for us while we are busy; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
