//! The liveness of an HTTP/2 client: what it sends, what it reads, and its answers to pings.

use std::{cell::Cell, future::pending, pin::pin, rc::Rc, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// The liveness of a client, as its byte stream shows it: whether it sends, and whether it reads. Clones share the state.
#[derive(Clone, Default)]
pub(in crate::client) struct Liveness(Rc<Signs>);

#[derive(Default)]
struct Signs {
    /// Set if something has come since the last check.
    is_heard: Cell<bool>,
    /// Set if the last bytes could not be sent, because the client has not read earlier ones.
    is_blocked: Cell<bool>,
}

impl Liveness {
    /// Notes that the client has sent something.
    pub(in crate::client) fn note_read(&self) {
        self.0.is_heard.set(true);
    }

    /// Notes that bytes could be sent, or not.
    pub(in crate::client) fn note_sent(&self, is_blocked: bool) {
        self.0.is_blocked.set(is_blocked);
    }

    /// Returns `true` while the client does not read what it is sent.
    pub(super) fn is_blocked(&self) -> bool {
        self.0.is_blocked.get()
    }

    /// Resolves when the client is lost: it sends nothing, and does not answer a ping.
    pub(super) async fn lost(&self, pings: Option<PingPong>) {
        let Some(mut pings) = pings else { return pending().await };
        loop {
            sleep(INTERVAL).await;
            if self.0.is_heard.take() {
                continue;
            }
            let mut pong = pin!(pings.ping(Ping::opaque()));
            loop {
                match timeout(TIMEOUT, pong.as_mut()).await {
                    Ok(Ok(_)) => break,
                    // The connection's own future returns the error.
                    Ok(Err(_)) => return pending().await,
                    // The pong may come behind much else.
                    Err(_) if self.0.is_heard.take() => {}
                    Err(_) => return,
                }
            }
        }
    }
}

/// The time after which a client that has sent nothing is pinged.
const INTERVAL: Duration = Duration::from_secs(30);

/// Maximum time for a client to answer a ping.
const TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncWriteExt, DuplexStream, duplex},
        task::{LocalSet, spawn_local},
        time::Instant,
    };

    use super::*;

    /// Begins a connection, and gives the server's pings and the client's side.
    async fn connect() -> (Option<PingPong>, DuplexStream) {
        let (mut near, far) = duplex(1 << 16);
        // Empty settings.
        near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut connection = h2::server::handshake(far).await.unwrap();
        let pings = connection.ping_pong();
        spawn_local(async move { while connection.accept().await.is_some() {} });
        (pings, near)
    }

    /// Runs on one thread, with a clock that goes on by itself.
    async fn locally<T>(test: impl Future<Output = T>) -> T {
        LocalSet::new().run_until(test).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_gone_is_given_up_when_it_does_not_answer_a_ping() {
        locally(async {
            let (pings, _client) = connect().await;
            let (liveness, began) = (Liveness::default(), Instant::now());
            liveness.note_read();
            liveness.lost(pings).await;
            let took = began.elapsed();
            let due = 2 * INTERVAL + TIMEOUT;
            assert!(took >= due && took < due + TICK, "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_is_not_given_up_though_it_asks_for_nothing() {
        locally(async {
            let (near, far) = duplex(1 << 16);
            let (connected, served) = tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
            let (_sender, connection) = connected.unwrap();
            let mut served = served.unwrap();
            let pings = served.ping_pong();
            spawn_local(connection);
            spawn_local(async move { while served.accept().await.is_some() {} });
            assert!(timeout(100 * INTERVAL, Liveness::default().lost(pings)).await.is_err());
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_may_come_behind_much_else() {
        locally(async {
            let (pings, _client) = connect().await;
            let liveness = Liveness::default();
            let upload = async {
                // The ping is sent first.
                sleep(INTERVAL + TIMEOUT / 2).await;
                for _ in 0..100 {
                    liveness.note_read();
                    sleep(TIMEOUT / 2).await;
                }
            };
            tokio::select! {
                () = liveness.lost(pings) => unreachable!("the client sends"),
                () = upload => {}
            }
        })
        .await;
    }

    /// Timers fire on whole milliseconds, and never early.
    const TICK: Duration = Duration::from_millis(20);
}
