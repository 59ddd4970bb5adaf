//! The policies that `sluicegate init` writes, at work before a server that answers everything.

use std::{net::SocketAddr, process::Command};

use axum::Router;
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Overrides, Policy, Source};
use tokio::net::TcpListener;

use crate::support::Client;

#[tokio::test]
async fn every_first_policy_serves_its_servers_requests_within_the_quota_that_was_answered() {
    let upstream = server().await;
    let chat = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}"#;
    let tensor =
        r#"{"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}]}"#;
    for (name, path, body) in [
        ("fastapi", "/predict", r#"{"inputs": [1, 2]}"#),
        ("fastapi", "/anything", "{}"),
        ("vllm", "/v1/chat/completions", chat),
        ("vllm", "/v1/messages", chat),
        ("llama", "/v1/chat/completions", chat),
        ("llama", "/completion", r#"{"prompt": "hi", "n_predict": 5}"#),
        ("ollama", "/api/chat", chat),
        ("triton", "/v2/models/iris/infer", tensor),
        ("triton", "/v2/models/iris/generate", r#"{"text_input": "hi"}"#),
        ("kserve", "/v2/models/iris/infer", tensor),
        ("kserve", "/v1/models/iris:predict", r#"{"instances": [[1], [2]]}"#),
        ("bentoml", "/encode", r#"{"texts": ["a", "b"]}"#),
        ("openai", "/v1/chat/completions", chat),
    ] {
        let gateway = first_policy(name, upstream).await;
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.post(path, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{name} {path}: {}", answer.text());
        let limits = answer.header("ratelimit").unwrap_or_default();
        assert!(limits.contains("\"requests\";r=0"), "{name} {path}: {limits}");
        let denied = client.post(path, body.as_bytes()).await;
        assert_eq!(denied.status, 429, "{name} {path}: {}", denied.text());
    }
}

/// A gateway with the policy that `init` writes for a quota of one request an hour.
async fn first_policy(name: &str, upstream: SocketAddr) -> Gateway {
    let mut init = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    init.args(["init", "--for", name, "--quota", "1/hour", "--output", "-"]);
    let written = init.args(["--upstream", &format!("http://{upstream}")]).output().expect("it runs");
    let overrides = Overrides::default().flag("--listen", "gateway.listen", "127.0.0.1:0").flag(
        "--admin",
        "gateway.admin",
        "127.0.0.1:0",
    );
    let source = Source::new(name, &written.stdout).expect("it is small").with(overrides);
    Gateway::start(Policy::parse(&source).expect("it is valid")).await.expect("loopback has free ports")
}

/// A server that is ready, counts three tokens in each input, and has nothing else to say.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let answer = || async { ([("content-type", "application/json")], r#"{"input_tokens": 3}"#) };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
