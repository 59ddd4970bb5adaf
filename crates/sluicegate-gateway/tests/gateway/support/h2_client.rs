//! A client of HTTP/2 that sees interim responses.

use std::{future::poll_fn, net::SocketAddr, pin::Pin, task::Poll};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::soon;

/// A connection to the gateway.
pub(crate) struct Line(pub(crate) client::SendRequest<Bytes>);

/// A request that has been sent.
pub(crate) struct Sent {
    pub(crate) response: client::ResponseFuture,
    pub(crate) upload: SendStream<Bytes>,
}

impl Line {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the gateway listens")).await
    }

    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = soon(client::handshake(stream)).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn send(&self, request: Request<()>, is_whole: bool) -> Sent {
        let mut sender = soon(self.0.clone().ready()).await.expect("it is open");
        let (response, upload) = sender.send_request(request, is_whole).expect("it is open");
        Sent { response, upload }
    }

    pub(crate) async fn get(&self, path: &str) -> Sent {
        self.send(Request::get(format!("http://a{path}")).body(()).expect("valid"), true).await
    }

    /// Sends the head of an upload that waits for "100 Continue".
    pub(crate) async fn expect(&self, path: &str) -> Sent {
        let request = Request::post(format!("http://a{path}")).header("expect", "100-continue");
        self.send(request.body(()).expect("valid"), false).await
    }
}

impl Sent {
    /// Waits for an interim response. None if the final one comes first.
    pub(crate) async fn interim(&mut self) -> Option<Response<()>> {
        let interim = poll_fn(|cx| match self.response.poll_informational(cx) {
            Poll::Pending if Pin::new(&mut self.response).poll(cx).is_ready() => panic!("it is skipped"),
            polled => polled,
        });
        soon(interim).await.transpose().expect("it is open")
    }

    pub(crate) async fn is_hinted(&mut self, status: u16) {
        let interim = self.interim().await.expect("it comes before the final response");
        assert_eq!(interim.status(), status);
        for unasked in ["date", "content-length", "x-request-id", "ratelimit"] {
            assert!(!interim.headers().contains_key(unasked), "{unasked}");
        }
    }

    /// The final response, before which nothing else comes.
    pub(crate) async fn response(mut self) -> Response<RecvStream> {
        assert!(self.interim().await.is_none());
        soon(self.response).await.expect("it is answered")
    }

    pub(crate) async fn expect_answer(self, status: u16, body: &str) {
        let response = self.response().await;
        assert_eq!(response.status(), status);
        assert_eq!(text(response.into_body()).await, body);
    }
}

pub(crate) async fn text(mut body: RecvStream) -> String {
    let mut text = String::new();
    while let Some(data) = soon(body.data()).await {
        text.push_str(std::str::from_utf8(&data.expect("it is whole")).expect("ASCII"));
    }
    text
}
