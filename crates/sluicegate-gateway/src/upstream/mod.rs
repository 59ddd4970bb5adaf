//! One worker's connections to the upstream server.

mod connection;
mod pool;
mod stream;

use std::{fmt, io, rc::Rc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use sluicegate_policy::Upstream as Address;
use tokio::time::timeout;

use self::{
    connection::{Connection, Failure},
    pool::Pool,
};
use crate::body::RequestBody;

pub(crate) use self::connection::{Exchange, State};

/// The upstream server as one worker sees it: its address, and a pool of connections that no other thread touches.
pub(crate) struct Upstream {
    address: Address,
    connect_timeout: Duration,
    patience: Patience,
    pool: Pool,
}

/// How long a connection may wait, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of the answer, once the request is sent.
    pub(crate) response: Duration,
    /// For the next byte of a body, of the request or of the answer.
    pub(crate) idle: Duration,
    /// For the next request, in the pool.
    pub(crate) keep_alive: Duration,
}

/// An answer and the connection that it is still arriving on.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) exchange: Exchange,
}

impl Upstream {
    /// An upstream with an empty pool. Connects to nobody yet.
    pub(crate) fn new(address: Address, connect_timeout: Duration, patience: Patience) -> Upstream {
        Upstream { address, connect_timeout, patience, pool: Pool::default() }
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// Takes an idle connection if there is one. If that turns out to be closed before anything was sent, the request
    /// goes over a fresh one: it is never sent twice. Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; each becomes one refusal.
    pub(crate) async fn send(self: &Rc<Self>, request: Request<RequestBody>) -> Result<Answered, SendError> {
        let request = match self.pool.take() {
            None => request,
            Some(connection) => match connection.send(request).await {
                Ok((response, connection)) => return Ok(self.answered(response, connection)),
                Err(Failure::Unsent(request, _)) => *request,
                Err(Failure::Sent(error)) => return Err(error),
            },
        };
        // Boxed, because it is rare and large: every request would carry room for it.
        let connection = Box::pin(self.connect()).await?;
        match connection.send(request).await {
            Ok((response, connection)) => Ok(self.answered(response, connection)),
            Err(Failure::Unsent(_, error) | Failure::Sent(error)) => Err(error),
        }
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        match timeout(self.connect_timeout, Connection::open(&self.address, self.patience)).await {
            Ok(connected) => connected.map_err(SendError::Connect),
            Err(_) => Err(SendError::ConnectTimeout),
        }
    }

    fn answered(self: &Rc<Self>, response: Response<Incoming>, connection: Connection) -> Answered {
        Answered { response, exchange: Exchange::new(connection, Rc::clone(self)) }
    }

    fn keep(&self, connection: Connection) {
        self.pool.put(connection);
    }
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nobody listens there, or the name does not resolve.
    Connect(io::Error),
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// No head of an answer within `response_timeout`.
    ResponseTimeout,
    /// The client stopped sending its body for `idle_timeout`.
    ClientStalled,
    /// The client's body ended early or was malformed.
    ClientBody(hyper::Error),
    /// The upstream closed the connection or did not speak HTTP.
    Broken(hyper::Error),
    /// The upstream switched to another protocol, which nobody asked it to.
    Switched,
}

impl SendError {
    /// Whether it is the upstream that failed, and not the client.
    pub(crate) fn is_upstreams(&self) -> bool {
        !matches!(self, SendError::ClientStalled | SendError::ClientBody(_))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Connect(error) => write!(f, "cannot connect to the upstream: {error}"),
            SendError::ConnectTimeout => write!(f, "the upstream did not accept a connection in time"),
            SendError::ResponseTimeout => write!(f, "the upstream did not answer in time"),
            SendError::ClientStalled => write!(f, "the client stopped sending its body"),
            SendError::ClientBody(error) => write!(f, "the client's body is incomplete: {error}"),
            SendError::Broken(error) => write!(f, "the upstream closed the connection: {error}"),
            SendError::Switched => write!(f, "the upstream switched protocols unasked"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::Connect(error) => Some(error),
            SendError::ClientBody(error) | SendError::Broken(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::LocalSet,
        time::{Instant, sleep},
    };

    use super::*;

    const PATIENCE: Patience = Patience {
        response: Duration::from_secs(3),
        idle: Duration::from_secs(3),
        keep_alive: Duration::from_secs(4),
    };

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_when_its_time_is_over_and_no_later() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream().await;
                let mut connection = exchange(&upstream, &listener).await;
                // Between two alarms, the connection is used once more.
                sleep(Duration::from_secs(1)).await;
                answer(&upstream, &mut connection).await;
                let idle_since = Instant::now();
                assert_eq!(connection.read(&mut [0; 1]).await.expect("it is closed in peace"), 0);
                let kept = idle_since.elapsed();
                assert!(kept >= PATIENCE.keep_alive && kept < PATIENCE.keep_alive + TICK, "{kept:?}");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_for_its_time_and_no_longer() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream().await;
                let _connection = exchange(&upstream, &listener).await;
                sleep(Duration::from_secs(2)).await;
                let sent = Instant::now();
                let failed = upstream.send(Request::new(RequestBody::Read(None))).await;
                assert!(matches!(failed, Err(SendError::ResponseTimeout)));
                let waited = sent.elapsed();
                assert!(waited >= PATIENCE.response && waited < PATIENCE.response + TICK, "{waited:?}");
            })
            .await;
    }

    async fn upstream() -> (Rc<Upstream>, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (Rc::new(Upstream::new(address, Duration::from_secs(1), PATIENCE)), listener)
    }

    /// One exchange on a new connection, which is kept.
    async fn exchange(upstream: &Rc<Upstream>, listener: &TcpListener) -> TcpStream {
        let serve = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            serve(&mut connection).await;
            connection
        };
        let (answered, connection) =
            tokio::join!(upstream.send(Request::new(RequestBody::Read(None))), serve);
        answered.unwrap_or_else(|error| panic!("{error}")).exchange.finish();
        connection
    }

    /// One more exchange on the connection that was kept.
    async fn answer(upstream: &Rc<Upstream>, connection: &mut TcpStream) {
        let (answered, ()) =
            tokio::join!(upstream.send(Request::new(RequestBody::Read(None))), serve(connection));
        answered.unwrap_or_else(|error| panic!("{error}")).exchange.finish();
    }

    async fn serve(connection: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            connection.read_buf(&mut request).await.unwrap();
        }
        connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }

    /// Timers fire on whole milliseconds, and never early.
    const TICK: Duration = Duration::from_millis(5);
}
