//! The time that the layer adds to a request, beside tower's own `RateLimit`.
//!
//!     cargo bench -p sluicegate-bench --bench tower
//!     cargo bench -p sluicegate-bench --bench tower -- --only allowed 100000     # one contender, for callgrind
//!
//! All contenders stand before a service that responds at once with a few bytes. tower's `RateLimit` has one quota for all
//! callers, which is never spent. Contenders take turns within each round.

#![expect(clippy::print_stdout, reason = "a report is printed")]

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use sluicegate_bench::median;
use sluicegate_tower::{Limit, PeerAddress, Quota, RateLimitLayer};
use tower::{Layer, Service, ServiceExt, limit::RateLimit, limit::rate::Rate, service_fn};

/// A service that serves a number of requests, one after the other.
type Contender<'a> = (&'static str, Box<dyn FnMut(usize) + 'a>);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut contenders = contenders(&runtime)?;
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "--only") {
        let (Some(name), Some(times)) = (arguments.get(place + 1), arguments.get(place + 2)) else {
            return Err("--only takes a contender and a number of requests".into());
        };
        let found = contenders.iter_mut().find(|(known, _)| known == name);
        let (_, serve) = found.ok_or_else(|| format!("no contender is called {name}"))?;
        serve(times.parse()?);
        return Ok(());
    }
    let mut rounds = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for (_, serve) in &mut contenders {
        serve(REQUESTS);
    }
    for _ in 0..ROUNDS {
        for ((_, serve), times) in contenders.iter_mut().zip(&mut rounds) {
            times.push(nanoseconds(serve));
        }
    }
    println!("| service | a request, ns | more than tower's `RateLimit`, ns |\n|---|---|---|");
    for ((name, _), times) in contenders.iter().zip(&rounds) {
        let more = times.iter().zip(&rounds[PEER]).map(|(ours, peers)| ours - peers);
        println!("| {name} | {:.0} | {:.0} |", median(times.iter().copied()), median(more));
    }
    Ok(())
}

fn contenders(runtime: &tokio::runtime::Runtime) -> Result<Vec<Contender<'_>>, Box<dyn Error>> {
    let _entered = runtime.enter();
    let endless = Quota::per_day(1_000_000_000_000);
    let layer = |limits: &[Limit]| {
        let builder = RateLimitLayer::builder();
        limits.iter().cloned().fold(builder, sluicegate_tower::Builder::limit).build()
    };
    let allowed = layer(&[Limit::new("requests", endless)])?;
    let slots = layer(&[Limit::new("requests", endless), Limit::new("slots", Quota::concurrent(8))])?;
    let denied = layer(&[Limit::new("none", Quota::per_day(0))])?;
    let rate = Rate::new(u64::MAX, Duration::from_secs(86_400));
    Ok(vec![
        ("bare", contender(runtime, service_fn(respond::<Full<Bytes>>))),
        ("tower", contender(runtime, RateLimit::new(service_fn(respond::<Full<Bytes>>), rate))),
        ("allowed", contender(runtime, allowed.layer(service_fn(respond)))),
        ("slots", contender(runtime, slots.layer(service_fn(respond)))),
        ("denied", contender(runtime, denied.layer(service_fn(respond)))),
    ])
}

fn respond<B>(request: Request<B>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    drop(request);
    ready(Ok(Response::new(Full::new(Bytes::from_static(b"setosa")))))
}

fn contender<'a, S, R>(runtime: &'a tokio::runtime::Runtime, mut service: S) -> Box<dyn FnMut(usize) + 'a>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + 'a,
    R: Body<Data = Bytes> + Unpin,
    R::Error: std::fmt::Debug,
{
    Box::new(move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                let mut request = Request::post("/predict").body(Full::default()).unwrap_or_default();
                request.extensions_mut().insert(PeerAddress(Ipv4Addr::LOCALHOST.into()));
                let Ok(ready) = service.ready().await;
                let Ok(response) = ready.call(request).await;
                let mut body = response.into_body();
                while let Some(frame) = body.frame().await {
                    black_box(frame.is_ok());
                }
            }
        });
    })
}

/// Nanoseconds of a request, by the mean of many.
#[expect(clippy::disallowed_methods, reason = "this is where time is measured")]
fn nanoseconds(serve: &mut dyn FnMut(usize)) -> f64 {
    let start = Instant::now();
    serve(REQUESTS);
    start.elapsed().as_secs_f64() * 1e9 / REQUESTS as f64
}

const ROUNDS: usize = 51;
const REQUESTS: usize = 20_000;
/// The place of tower's `RateLimit`.
const PEER: usize = 1;
