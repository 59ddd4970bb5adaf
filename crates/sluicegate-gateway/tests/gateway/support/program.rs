//! A program that asks the decision server by JSON.

use serde_json::Value;
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source};

use super::{Client, at_once, client::Answer};

/// A program that asks, on one connection.
pub(crate) struct Program(Client);

impl Program {
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        Self(Client::connect(gateway.decisions_address().expect("the policy has one")).await)
    }

    /// Calls an endpoint, which has to understand it.
    #[track_caller]
    pub(crate) fn ask(&mut self, path: &str, call: &Value) -> impl Future<Output = Value> {
        let (path, call) = (path.to_owned(), call.clone());
        let caller = std::panic::Location::caller();
        async move {
            let (status, answer) = self.call(&path, call.to_string().as_bytes()).await;
            assert_eq!(status, 200, "{caller}: {answer}");
            answer
        }
    }

    /// Calls an endpoint. Returns the status and the document.
    pub(crate) async fn call(&mut self, path: &str, call: &[u8]) -> (u16, Value) {
        let answer = self.send("POST", path, "content-type: application/json\r\n", call).await;
        let kind = if answer.status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.header("content-type"), Some(kind), "{}", answer.head);
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }

    /// Sends a call, and leaves its answer.
    pub(crate) async fn begin(&mut self, path: &str, headers: &str, body: &[u8]) {
        self.write("POST", path, headers, body).await;
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.write(method, path, headers, body).await;
        self.0.answer().await
    }

    async fn write(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n");
        self.0.write([head.as_bytes(), body].concat()).await;
    }
}

/// A gateway without an upstream that answers programs by the policy in `text`.
pub(crate) fn deciding(text: &str) -> Gateway {
    at_once(Gateway::start(deciding_policy(text))).expect("loopback has free ports")
}

/// Its policy.
pub(crate) fn deciding_policy(text: &str) -> Policy {
    let text = ["[gateway]\nadmin = \"127.0.0.1:0\"\nthreads = 2\n", text].concat();
    Policy::parse(&Source::new("test.toml", text.as_bytes()).expect("it is small")).expect("it is valid")
}
