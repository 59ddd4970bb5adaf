//! The wait that clients see: rules H9–H14.

use proptest::prelude::*;

use crate::site::{Ask, Reply, Site};

/// H9, H10.
#[test]
fn a_denial_has_one_whole_second_to_wait_and_no_limit_asks_for_more() {
    for quota in ["1/second", "1000/second burst 1", "7/3 seconds", "1/minute", "2/day", "1 concurrent"] {
        let site = Site::with_limits(&format!("[{{ name = \"a\", quota = \"{quota}\" }}, \"1/2 seconds\"]"));
        let _held = site.send(&Ask::post("/"));
        let denied = site.send(&Ask::post("/"));
        let text = denied.header("retry-after").unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0'), "{quota}: {text}");
        let wait: i64 = text.parse().unwrap();
        let violated = denied.denied().spent().count();
        for (name, parameters) in denied.list("ratelimit").iter().take(violated) {
            assert_eq!(parameters[0], ("r".to_owned(), 0), "{quota}: {name}");
            let told = parameters.iter().find(|(key, _)| key == "t").map_or(0, |(_, seconds)| *seconds);
            assert!(wait >= told, "{quota}: {name} tells {told} s and Retry-After {wait} s");
        }
    }
}

/// H12.
#[test]
fn milliseconds_are_whole_and_agree_with_the_seconds() {
    for (quota, seconds, milliseconds) in [
        ("10/second burst 1", "1", "100"),
        ("10/minute burst 1", "6", "6000"),
        ("7/minute burst 1", "9", "8572"),
    ] {
        let site = Site::new(&format!(
            "[responses]\nheaders = [\"openai\"]\n[[route]]\npath = \"/\"\nlimits = [\"{quota}\"]"
        ));
        site.pass(1, &Ask::post("/"));
        let denied = site.send(&Ask::post("/"));
        assert_eq!(denied.header("retry-after").as_deref(), Some(seconds), "{quota}");
        assert_eq!(denied.header("retry-after-ms").as_deref(), Some(milliseconds), "{quota}");
    }
    let denied = spent("1/minute");
    assert_eq!(denied.header("retry-after-ms"), None, "nobody asked for OpenAI's headers");
}

/// H13.
#[test]
fn a_client_that_would_not_wait_so_long_is_told_not_to_retry() {
    for (quota, retry) in [("1/60 seconds", None), ("1/61 seconds", Some("false")), ("1/day", Some("false"))]
    {
        assert_eq!(spent(quota).header("x-should-retry").as_deref(), retry, "{quota}");
    }
}

/// H14.
#[test]
fn a_request_that_weighs_more_than_the_limit_is_told_not_to_come_back() {
    let site = Site::new("[[route]]\npath = \"/\"\nweight = 4\nlimits = [\"10/minute burst 4\"]");
    site.pass(1, &Ask::post("/"));
    assert_eq!(site.send(&Ask::post("/")).retry_after(), Some(24));
    let batch =
        Site::new("[[route]]\npath = \"/\"\nmeter = \"bytes\"\nlimits = [\"10 bytes/minute burst 4\"]");
    let denied = batch.send(&Ask::post("/").body("12345"));
    assert_eq!((denied.status(), denied.retry_after()), (429, None));
    assert_eq!(denied.header("x-should-retry").as_deref(), Some("false"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3_000 }))]

    /// H11: whatever the limits and whatever was spent, a client that waits as long as it is told is admitted.
    #[test]
    fn waiting_as_long_as_told_is_always_enough(
        (amount, period, algorithm) in limit(),
        (other_amount, other_period, other_algorithm) in limit(),
        items in 1..=20_usize,
        pauses in prop::collection::vec(0..=5_000_u64, 1..40),
    ) {
        let site = Site::new(&format!(
            r#"
            [[route]]
            path   = "/"
            meter  = {{ items = "/inputs" }}
            limits = [
                {{ name = "a", quota = "{amount}/{period} seconds", algorithm = "{algorithm}" }},
                {{ name = "b", quota = "{} items/{other_period} seconds", algorithm = "{other_algorithm}" }},
            ]
            "#,
            other_amount + 20,
        ));
        let ask = Ask::post("/").batch(items);
        for pause in pauses {
            site.clock.advance(std::time::Duration::from_millis(pause));
            let reply = site.send(&ask);
            if reply.status() == 429 {
                site.wait(reply.retry_after().unwrap());
                prop_assert_eq!(site.send(&ask).status(), 200);
            }
        }
    }
}

fn limit() -> impl Strategy<Value = (usize, u64, &'static str)> {
    (1..=60_usize, 1..=90_u64, prop::sample::select(&ALGORITHMS[..]))
}

fn spent(quota: &str) -> Reply {
    let site = Site::with_limits(&format!("[\"{quota}\"]"));
    site.pass(1, &Ask::post("/"));
    site.send(&Ask::post("/"))
}

const ALGORITHMS: [&str; 4] = ["token-bucket", "fixed-window", "sliding-window", "sliding-log"];
