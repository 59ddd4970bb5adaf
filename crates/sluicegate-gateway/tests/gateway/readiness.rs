//! Answers of an upstream that mean that it is ready, and well.

use crate::support::{Client, Upstream, gateway_of, metric, soon, until};

#[tokio::test]
async fn anything_but_2xx_is_not_ready() {
    let upstream = Upstream::start().await;
    let policy = "[warmup]\nscale = 0.1\nready = \"/health\"\nramp = \"0s\"\n\n\
                  [[route]]\npath = \"/seen\"\nlimits = [{ quota = \"10/day\", key = \"header:x-who\" }]";
    let gateway = gateway_of(policy, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let mut second_request_of = async |who: usize| {
        let request = format!("GET /seen HTTP/1.1\r\nhost: a\r\nx-who: {who}\r\n\r\n");
        client.write(&request).await;
        assert_eq!(client.answer().await.status, 200);
        client.write(&request).await;
        client.answer().await.status
    };
    let mut newcomers = 0..;
    let mut newcomer = || newcomers.next().expect("no end");
    for status in [400, 404, 302] {
        upstream.answer_health_checks(status);
        let asked = upstream.health_checks();
        until(|| upstream.health_checks() > asked).await;
        assert_eq!(second_request_of(newcomer()).await, 429, "a tenth of ten is one, after {status}");
    }
    upstream.answer_health_checks(204);
    soon(async { while second_request_of(newcomer()).await == 429 {} }).await;
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
