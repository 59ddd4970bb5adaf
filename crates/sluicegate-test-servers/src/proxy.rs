//! A proxy that fails on demand.

mod connection;

use std::{
    mem,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use connection::Connection;
use socket2::SockRef;

use crate::{polling::until, ports::free_port};

/// A TCP proxy on loopback before a server, until it is dropped. It passes everything on until it is told to fail, and
/// what it is told holds at once, for the connections that are open too.
///
/// ```
/// use sluicegate_test_servers::{FaultProxy, RedisServer};
/// use std::{net::{SocketAddr, TcpStream}, time::Duration};
///
/// let redis = RedisServer::start();
/// let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], redis.port())));
/// proxy.delay(Duration::from_millis(20), Duration::from_millis(30)); // 50 ms more for each answer
/// proxy.refuse();
/// assert!(TcpStream::connect(proxy.address()).is_err());
/// proxy.pass();
/// assert!(TcpStream::connect(proxy.address()).is_ok());
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// State shared by the threads of a proxy.
#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    connections: Vec<Weak<Connection>>,
    /// None while it refuses.
    listener: Option<Arc<TcpListener>>,
}

/// The treatment of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    black_hole: bool,
    /// The added delay on the way to the server, and back.
    there: Duration,
    back: Duration,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1, and connects to `server` for each connection that it accepts.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let listener = until("the proxy listens", String::new, || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).ok()
        });
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { server, state: Mutex::default() });
        let proxy = Self { address, shared };
        proxy.listen(listener);
        proxy
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Passes everything on again, after [`black_hole`](Self::black_hole) and [`refuse`](Self::refuse). Connections that
    /// have lost bytes are reset, because nothing that follows could be understood. Delays stay as they are.
    pub fn pass(&self) {
        if mem::take(&mut self.shared.state().weather.black_hole) {
            self.reset();
        }
        let refuses = self.shared.state().listener.is_none();
        if refuses {
            let bind = || TcpListener::bind(self.address).ok();
            self.listen(until("the proxy's port is free again", String::new, bind));
        }
    }

    /// Every byte takes this much longer, to the server and back from it. The throughput stays the same.
    pub fn delay(&self, there: Duration, back: Duration) {
        let mut state = self.shared.state();
        (state.weather.there, state.weather.back) = (there, back);
    }

    /// Resets (RST) every connection that is open, and returns when they are gone. New ones are passed on as before.
    pub fn reset(&self) {
        let connections = mem::take(&mut self.shared.state().connections);
        for connection in connections.iter().filter_map(Weak::upgrade) {
            connection.reset();
        }
        until("all connections are reset", String::new, || {
            connections.iter().all(|connection| connection.strong_count() == 0).then_some(())
        });
    }

    /// Accepts connections and takes what comes, and no byte arrives anywhere.
    pub fn black_hole(&self) {
        self.shared.state().weather.black_hole = true;
    }

    /// Refuses connections, and resets those that are open: as where no server runs.
    pub fn refuse(&self) {
        let listener = self.shared.state().listener.take();
        if let Some(listener) = listener {
            // It closes the port, and wakes the thread that accepts.
            drop(SockRef::from(&*listener).shutdown(Shutdown::Both));
            let open = Arc::downgrade(&listener);
            drop(listener);
            until("the proxy's port is closed", String::new, || (open.strong_count() == 0).then_some(()));
        }
        self.reset();
    }

    fn listen(&self, listener: TcpListener) {
        let listener = Arc::new(listener);
        self.shared.state().listener = Some(Arc::clone(&listener));
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                Connection::open(client, &shared);
            }
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn weather(&self) -> Weather {
        self.state().weather
    }
}
