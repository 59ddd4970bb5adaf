//! Answers of an upstream that mean that it is ready, and well.

use sluicegate_gateway::Gateway;

use crate::support::{Client, Upstream, gateway_of, metric, soon, until};

#[tokio::test]
async fn limits_are_small_until_the_upstream_is_ready() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(WARMING_UP, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(second_request_of(&mut client, 0).await, 429, "a tenth of ten is one");
    assert!(metrics(&gateway).await.contains("\nsluicegate_warmup_scale 0.1\n"));
    upstream.become_ready();
    let mut newcomers = 1..;
    let mut newcomer = || newcomers.next().expect("no end");
    soon(async { while second_request_of(&mut client, newcomer()).await == 429 {} }).await;
    let text = metrics(&gateway).await;
    assert!(text.contains("\nsluicegate_warmup_scale 1.0\n"), "{text}");
}

#[tokio::test]
async fn anything_but_2xx_is_not_ready() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(WARMING_UP, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let mut newcomers = 0..;
    let mut newcomer = || newcomers.next().expect("no end");
    for status in [400, 404, 302] {
        upstream.answer_health_checks(status);
        let asked = upstream.health_checks();
        until(|| upstream.health_checks() > asked).await;
        let second = second_request_of(&mut client, newcomer()).await;
        assert_eq!(second, 429, "a tenth of ten is one, after {status}");
    }
    upstream.answer_health_checks(204);
    soon(async { while second_request_of(&mut client, newcomer()).await == 429 {} }).await;
}

#[tokio::test]
async fn anything_but_2xx_is_not_well() {
    let upstream = Upstream::start().await;
    upstream.become_ready();
    let policy = "[gateway.health]\npath = \"/health\"\ninterval = \"1ms\"\nhealthy = 1\nunhealthy = 1";
    let gateway = gateway_of(policy, upstream.address, |_| {});
    let name = format!("sluicegate_upstream_healthy{{upstream=\"{}\"}}", upstream.url());
    // Triton, KServe, one that has moved or wants a login, llama-server, and one that is broken.
    for status in [400, 404, 302, 401, 503, 500] {
        upstream.answer_health_checks(status);
        soon(async { while metric(&gateway, &name).await == 1 {} }).await;
        upstream.answer_health_checks(204);
        soon(async { while metric(&gateway, &name).await == 0 {} }).await;
    }
}

async fn metrics(gateway: &Gateway) -> String {
    Client::connect(gateway.admin_address()).await.get("/metrics").await.text().to_owned()
}

/// Sends two requests of a caller, of which the first always passes. Returns the status of the second.
async fn second_request_of(client: &mut Client, who: usize) -> u16 {
    let request = format!("GET /seen HTTP/1.1\r\nhost: a\r\nx-who: {who}\r\n\r\n");
    client.write(&request).await;
    assert_eq!(client.answer().await.status, 200);
    client.write(&request).await;
    client.answer().await.status
}

/// Ten requests for each caller, and one while the upstream warms up.
const WARMING_UP: &str = "[warmup]\nscale = 0.1\nready = \"/health\"\nramp = \"0s\"\n\n\
                          [[route]]\npath = \"/seen\"\nlimits = [{ quota = \"10/day\", key = \"header:x-who\" }]";
