//! One worker's connections to the upstream servers.

mod choice;
mod connection;
pub(crate) mod dial;
mod ejection;
mod error;
mod exchange;
mod health;
pub(crate) mod health_check;
mod http2;
mod link;
mod pool;
pub(crate) mod probe;
pub(crate) mod resolver;
mod response_head;
mod stream;
mod upstreams;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response};
use sluicegate_policy::Upstream as Address;

use self::{connection::Waiting, health::InFlight, link::Links};
use crate::request::{
    body::UpstreamBody,
    public_urls::{PublicUrls, Told},
};

pub(crate) use self::{
    connection::State, error::SendError, exchange::Exchange, health::Health, http2::Stream,
    upstreams::Upstreams,
};

/// An upstream server as one worker sees it: its address, and connections that no other thread touches.
pub(crate) struct Upstream {
    address: Address,
    /// Instead of the client's, if given.
    told_host: Option<HeaderValue>,
    /// The mapping of its URLs, if its clients know others.
    public_urls: Option<PublicUrls>,
    links: Links,
    in_flight: InFlight,
    health: Arc<Health>,
}

/// The waits that an exchange may have, and their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For the head of the answer, once the request is sent.
    pub(crate) response: Duration,
    /// For the next byte of a body, of the request or of the answer.
    pub(crate) idle: Duration,
    /// For the next request, in the pool.
    pub(crate) keep_alive: Duration,
    /// From sending the request to the last byte of the answer, if that is limited.
    pub(crate) total: Option<Duration>,
}

/// The largest head of a response that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxHead {
    pub(crate) bytes: u32,
    pub(crate) fields: usize,
}

/// An answer and the exchange that it is still arriving in.
pub(crate) struct Answered {
    pub(crate) response: Response<UpstreamBody>,
    pub(crate) exchange: Exchange,
}

impl Answered {
    /// Maps the upstream's own URLs back to those that clients see.
    pub(crate) fn map_back(&mut self, told: &Told) {
        if let Some(urls) = &self.exchange.upstream().public_urls {
            urls.map_back(self.response.headers_mut(), told);
        }
    }
}

impl Upstream {
    /// An upstream without connections. It connects when the first request comes.
    fn new(address: Address, health: Arc<Health>) -> Self {
        let (links, in_flight) = (Links::new(&address), health.in_flight_of_a_worker());
        let told_host = address.told_host().and_then(|host| HeaderValue::from_str(host).ok());
        let public_urls = PublicUrls::of(&address);
        Self { address, told_host, public_urls, links, in_flight, health }
    }

    /// Returns `true` if it has this address and this state.
    fn is_of(&self, address: &Address, health: &Arc<Health>) -> bool {
        self.address == *address && Arc::ptr_eq(&self.health, health)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;
    use sluicegate_policy::GatewaySettings;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::LocalSet,
        time::{Instant, sleep},
    };

    use super::*;
    use crate::upstream::dial::Dialer;

    const TIMEOUTS: Timeouts = Timeouts {
        response: Duration::from_secs(3),
        idle: Duration::from_secs(3),
        keep_alive: Duration::from_secs(4),
        total: None,
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
                assert!(kept >= TIMEOUTS.keep_alive && kept < TIMEOUTS.keep_alive + TICK, "{kept:?}");
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
                let failed = upstream.send(&mut Request::default(), TIMEOUTS, None).await;
                assert!(matches!(failed, Err(SendError::ResponseTimeout)));
                let waited = sent.elapsed();
                assert!(waited >= TIMEOUTS.response && waited < TIMEOUTS.response + TICK, "{waited:?}");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_in_is_awaited_no_longer_than_one_that_does_not_come() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream().await;
                let mut connection = exchange(&upstream, &listener).await;
                let sent = Instant::now();
                let trickle = async {
                    for byte in b"HTTP/1.1 200 OK\r\n" {
                        let _ = connection.write_all(&[*byte]).await;
                        sleep(Duration::from_secs(1)).await;
                    }
                };
                let mut request = Request::default();
                let send = upstream.send(&mut request, TIMEOUTS, None);
                tokio::select! {
                    failed = send => assert!(matches!(failed, Err(SendError::ResponseTimeout))),
                    () = trickle => panic!("it is still awaited after {:?}", sent.elapsed()),
                }
                let waited = sent.elapsed();
                assert!(waited >= TIMEOUTS.response && waited < TIMEOUTS.response + TICK, "{waited:?}");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_has_its_own_patience_on_a_connection_that_others_had() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream().await;
                let second = Duration::from_secs(1);
                for (timeouts, expected) in [
                    (Timeouts { response: second, ..TIMEOUTS }, second),
                    (Timeouts { response: 60 * second, ..TIMEOUTS }, 60 * second),
                    (Timeouts { response: 60 * second, total: Some(2 * second), ..TIMEOUTS }, 2 * second),
                ] {
                    let _connection = exchange(&upstream, &listener).await;
                    let sent = Instant::now();
                    let failed = upstream.send(&mut Request::default(), timeouts, None).await;
                    assert!(matches!(failed, Err(SendError::ResponseTimeout)));
                    let waited = sent.elapsed();
                    assert!(waited >= expected && waited < expected + TICK, "{waited:?} of {expected:?}");
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_request_had_left_of_its_time_is_nothing_to_the_next() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream().await;
                let mut connection = exchange(&upstream, &listener).await;
                let short = Timeouts { total: Some(Duration::from_secs(2)), ..TIMEOUTS };
                let mut request = Request::default();
                let (answered, ()) =
                    tokio::join!(upstream.send(&mut request, short, None), serve(&mut connection));
                answered.unwrap_or_else(|error| panic!("{error}")).exchange.finish();
                sleep(Duration::from_secs(3)).await;
                answer(&upstream, &mut connection).await;
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_of_http_2_that_does_not_answer_a_ping_is_given_up() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream_of("h2c").await;
                let serve = async {
                    let mut connection = accept_http2(&listener).await;
                    connection.accept().await.unwrap().unwrap();
                    // From here on it reads nothing any more.
                    connection
                };
                let sent = Instant::now();
                let minutes = Duration::from_secs(600);
                let timeouts = Timeouts { response: minutes, idle: minutes, ..TIMEOUTS };
                let mut request = Request::default();
                let send = upstream.send(&mut request, timeouts, None);
                let (failed, _silent) = tokio::join!(send, serve);
                assert!(matches!(failed, Err(SendError::Reset(_))));
                assert!(sent.elapsed() < Duration::from_secs(60), "{:?}", sent.elapsed());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_http_2_is_closed_when_it_has_been_idle_for_its_time() {
        LocalSet::new()
            .run_until(async {
                let (upstream, listener) = upstream_of("h2c").await;
                let serve = async {
                    let mut connection = accept_http2(&listener).await;
                    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
                    respond.send_response(Response::new(()), true).unwrap();
                    let idle_since = Instant::now();
                    assert!(connection.accept().await.is_none(), "it is closed in peace");
                    idle_since.elapsed()
                };
                let send = async {
                    let mut request = Request::default();
                    drop(
                        upstream
                            .send(&mut request, TIMEOUTS, None)
                            .await
                            .unwrap_or_else(|error| panic!("{error}")),
                    );
                };
                let (kept, ()) = tokio::join!(serve, send);
                assert!(kept >= TIMEOUTS.keep_alive && kept < TIMEOUTS.keep_alive + TICK, "{kept:?}");
            })
            .await;
    }

    async fn upstream() -> (Upstreams, TcpListener) {
        upstream_of("http").await
    }

    async fn upstream_of(scheme: &str) -> (Upstreams, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("{scheme}://{}", listener.local_addr().unwrap()).parse().unwrap();
        let settings = GatewaySettings { upstreams: vec![address], ..GatewaySettings::default() };
        (
            Upstreams::new(
                &settings,
                &Health::of_all(&settings, None),
                Dialer::new(&settings).unwrap(),
                None,
            ),
            listener,
        )
    }

    async fn accept_http2(listener: &TcpListener) -> h2::server::Connection<TcpStream, bytes::Bytes> {
        let (connection, _) = listener.accept().await.unwrap();
        h2::server::handshake(connection).await.unwrap()
    }

    /// One exchange on a new connection, which is kept.
    async fn exchange(upstream: &Upstreams, listener: &TcpListener) -> TcpStream {
        let serve = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            serve(&mut connection).await;
            connection
        };
        let mut request = Request::default();
        let (answered, connection) = tokio::join!(upstream.send(&mut request, TIMEOUTS, None), serve);
        answered.unwrap_or_else(|error| panic!("{error}")).exchange.finish();
        connection
    }

    /// One more exchange on the connection that was kept.
    async fn answer(upstream: &Upstreams, connection: &mut TcpStream) {
        let mut request = Request::default();
        let (answered, ()) = tokio::join!(upstream.send(&mut request, TIMEOUTS, None), serve(connection));
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
