//! A port that tests keep.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A port of loopback that no other socket is given while this one is bound to it. Connections are refused until `listen`,
/// and again when that listener is closed.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl Port {
    pub(crate) fn keep() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        // A listener may be bound to it as well.
        socket.set_reuseaddr(true).expect("it is a socket of TCP");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
        let address = socket.local_addr().expect("it is bound");
        Self { address, _bound: socket }
    }

    pub(crate) async fn listen(&self) -> TcpListener {
        TcpListener::bind(self.address).await.expect("nobody else took it")
    }
}
