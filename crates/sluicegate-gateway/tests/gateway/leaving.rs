//! Streams whose clients leave: within 100 ms, the upstream is closed and the slot is free.

use std::{future::poll_fn, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client};
use http::{Request, Response};
use sluicegate_gateway::Gateway;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};

use crate::support::{Client, Scripted, gateway_of, soon};

const POLICY: &str = r#"
    [[route]]
    path = "/v1/chat/completions"
    meter = "openai"
    limits = [
      { name = "tpm", quota = "1000000 tokens/day", key = "global" },
      { name = "slots", quota = "1 concurrent", key = "global" },
    ]
"#;
const BODY: &str =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":50,\"stream\":true}";

/// A way to leave a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaving {
    Closes,
    Resets,
    /// HTTP/2: resets the stream, and keeps the connection.
    ResetsTheStream,
    /// HTTP/2: closes the connection without a word.
    ClosesTheStreams,
}

const WAYS: [Leaving; 4] =
    [Leaving::Closes, Leaving::Resets, Leaving::ResetsTheStream, Leaving::ClosesTheStreams];

/// A client in the middle of a stream.
enum Caller {
    One(Client),
    Two {
        connection: JoinHandle<Result<(), h2::Error>>,
        _sender: client::SendRequest<Bytes>,
        upload: SendStream<Bytes>,
        response: Option<client::ResponseFuture>,
        body: Option<RecvStream>,
    },
}

impl Caller {
    /// Sends a request that will be left in this way.
    async fn asks(address: SocketAddr, leaving: Leaving) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        if matches!(leaving, Leaving::ResetsTheStream | Leaving::ClosesTheStreams) {
            let (sender, connection) = soon(client::handshake(stream)).await.expect("it speaks HTTP/2");
            let connection = tokio::spawn(connection);
            let mut sender = soon(sender.ready()).await.expect("it is open");
            let request = Request::post(format!("http://a{CHAT}")).header("content-type", "application/json");
            let request = request.body(()).expect("valid");
            let (response, mut upload) = sender.send_request(request, false).expect("it is open");
            upload.send_data(Bytes::from_static(BODY.as_bytes()), true).expect("it is open");
            return Self::Two { connection, _sender: sender, upload, response: Some(response), body: None };
        }
        if leaving == Leaving::Resets {
            stream.set_zero_linger().expect("it is open");
        }
        let mut client = Client::over(stream);
        let length = BODY.len();
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        client.write([&head, BODY].concat()).await;
        Self::One(client)
    }

    /// Waits for the head of the response.
    async fn is_answered(&mut self) {
        match self {
            Self::One(client) => assert_eq!(client.head().await.status, 200),
            Self::Two { response, body, .. } => {
                let response = response.take().expect("it is answered once");
                let answer: Response<RecvStream> = soon(response).await.expect("it is answered");
                assert_eq!(answer.status(), 200);
                *body = Some(answer.into_body());
            }
        }
    }

    /// Leaves. Returns what stays open of the connection.
    fn leaves(self, leaving: Leaving) -> Option<client::SendRequest<Bytes>> {
        let Self::Two { connection, _sender: sender, upload, response, body } = self else { return None };
        if leaving == Leaving::ClosesTheStreams {
            connection.abort();
        }
        drop((upload, response, body));
        Some(sender)
    }
}

#[tokio::test]
async fn a_client_that_leaves_at_any_byte_closes_the_upstream_and_frees_the_slot_at_once() {
    let text = text();
    for leaving in WAYS {
        let upstream = Scripted::start().await;
        let gateway = gateway_of(POLICY, upstream.address, |_| {});
        let mut admin = Client::connect(gateway.admin_address()).await;
        let mut times = Vec::new();
        for cut in (0..text.len()).step_by(text.len() / ABORTS) {
            let mut caller = Caller::asks(gateway.address(), leaving).await;
            let mut connection = upstream.accept().await;
            connection.request(b"true}").await;
            connection.write(&text[..cut]).await;
            if cut >= HEAD.len() {
                caller.is_answered().await;
            }
            let left = Instant::now();
            let open = caller.leaves(leaving);
            connection.closed().await;
            until_the_slot_is_free(&mut admin).await;
            times.push(left.elapsed());
            drop(open);
        }
        assert_at_once(times, leaving);
    }
}

#[tokio::test]
async fn an_upstream_of_http_2_has_its_stream_reset_at_once() {
    for leaving in WAYS {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let gateway = before_http_2(listener.local_addr().expect("it is bound"));
        let mut admin = Client::connect(gateway.admin_address()).await;
        let mut times = Vec::new();
        let mut upstream = None;
        for abort in 0..ABORTS {
            let mut caller = Caller::asks(gateway.address(), leaving).await;
            if upstream.is_none() {
                let (stream, _) = soon(listener.accept()).await.expect("the gateway connects");
                let mut connection = soon(h2::server::handshake(stream)).await.expect("it speaks HTTP/2");
                let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
                tokio::spawn(async move {
                    while let Some(Ok(request)) = connection.accept().await {
                        sender.send(request).expect("the test takes it");
                    }
                });
                upstream = Some(requests);
            }
            let requests = upstream.as_mut().expect("it is connected");
            let (request, mut respond) = soon(requests.recv()).await.expect("a request comes");
            let mut stream = None;
            if abort > 0 {
                let head = Response::builder().header("content-type", "text/event-stream");
                let mut open =
                    respond.send_response(head.body(()).expect("valid"), false).expect("it is open");
                for _ in 1..abort {
                    open.send_data(Bytes::from_static(WORD.as_bytes()), false).expect("it is open");
                }
                stream = Some(open);
                caller.is_answered().await;
            }
            let left = Instant::now();
            let open = caller.leaves(leaving);
            let reset = async {
                match &mut stream {
                    Some(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
                    None => poll_fn(|cx| respond.poll_reset(cx)).await,
                }
            };
            assert_eq!(soon(reset).await.expect("it is open"), h2::Reason::CANCEL);
            until_the_slot_is_free(&mut admin).await;
            times.push(left.elapsed());
            drop((open, request));
        }
        assert_at_once(times, leaving);
    }
}

fn before_http_2(address: SocketAddr) -> Gateway {
    gateway_of(POLICY, address, |settings| {
        settings.upstreams = vec![format!("h2c://{address}").parse().expect("a URL")];
    })
}

/// Looks at the only slot until it is free.
async fn until_the_slot_is_free(admin: &mut Client) {
    soon(async {
        while !admin.get("/limits?key=global&limit=slots").await.text().contains("\"remaining\":1,") {}
    })
    .await;
}

/// The bound is for the half of them, because a machine that does much else can pause for longer at any time.
fn assert_at_once(mut times: Vec<Duration>, leaving: Leaving) {
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(
        median < AT_ONCE,
        "{leaving:?}: half of {} took more than {median:?}, up to {most:?}",
        times.len()
    );
}

/// A response that never ends, as it is on the wire.
fn text() -> String {
    let chunk = format!("{:x}\r\n{WORD}\r\n", WORD.len());
    [HEAD, &chunk.repeat(5)].concat()
}

const CHAT: &str = "/v1/chat/completions";
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
const ABORTS: usize = 50;
const AT_ONCE: Duration = Duration::from_millis(100);
