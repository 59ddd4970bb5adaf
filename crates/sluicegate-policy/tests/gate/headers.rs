//! Header fields that show clients their limits: rules H1–H8 and H17.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::site::{Ask, Reply, Site};

/// H1, H2.
#[test]
fn the_fields_are_canonical_lists_of_strings() {
    let site =
        Site::with_limits(r#"[{ name = "rpm", quota = "60/minute" }, { name = "rpd", quota = "5000/day" }]"#);
    let reply = site.send(&Ask::post("/"));
    assert_eq!(
        reply.header("ratelimit-policy").as_deref(),
        Some("\"rpm\";q=60;w=60, \"rpd\";q=5000;w=86400")
    );
    assert_eq!(reply.header("ratelimit").as_deref(), Some("\"rpm\";r=59;t=59, \"rpd\";r=4999;t=86383"));
    for (name, parameters) in reply.list("ratelimit").iter().chain(&reply.list("ratelimit-policy")) {
        assert!(["rpm", "rpd"].contains(&name.as_str()));
        assert!(parameters.iter().all(|(_, number)| *number >= 0));
        assert!(parameters.iter().all(|(key, number)| key != "w" || *number >= 1));
    }
}

/// H1: whatever the quota, the fields are valid and tell no more than there is.
#[test]
fn every_quota_is_told_in_valid_fields() {
    for quota in
        ["1/second", "7/3 seconds", "1000/second burst 1", "3/day burst 9", "1/18 years", "5 concurrent"]
    {
        let site = Site::with_limits(&format!("[{{ name = \"q\", quota = \"{quota}\" }}]"));
        for _ in 0..12 {
            let reply = site.send(&Ask::post("/"));
            let (name, parameters) = &reply.list("ratelimit")[0];
            assert_eq!((name.as_str(), parameters[0].0.as_str()), ("q", "r"), "{quota}");
            assert!(parameters[0].1 >= 0 && parameters.len() <= 2, "{quota}");
            assert_eq!(reply.list("ratelimit-policy")[0].1[0].0, "q", "{quota}");
            site.clock.advance(std::time::Duration::from_millis(137));
        }
    }
}

#[test]
fn a_burst_of_its_own_is_told_beside_the_quota() {
    let reply = Site::with_limits(r#"[{ name = "q", quota = "10/minute burst 2" }]"#).send(&Ask::post("/"));
    assert_eq!(reply.header("ratelimit-policy").as_deref(), Some("\"q\";q=10;w=60;sluicegate-burst=2"));
    assert_eq!(reply.header("ratelimit").as_deref(), Some("\"q\";r=1;t=6"));
}

/// H3.
#[test]
fn names_are_words_in_headers_and_in_bodies() {
    let site = Site::with_limits("[\"1/minute\"]");
    site.pass(1, &Ask::post("/"));
    let denied = site.send(&Ask::post("/"));
    let name = denied.list("ratelimit")[0].0.clone();
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
    assert_eq!(denied.list("ratelimit-policy")[0].0, name);
    assert_eq!(denied.body()["violated-policies"], serde_json::json!([name]));
    assert!(denied.detail().contains(&name), "{}", denied.detail());
}

/// H4.
#[test]
fn what_denied_for_longest_comes_first_with_nothing_left() {
    let site = Site::with_limits(
        r#"[{ name = "free", quota = "100/minute" }, { name = "minute", quota = "2/minute" },
            { name = "hour", quota = "2/hour" }]"#,
    );
    site.pass(2, &Ask::post("/"));
    let denied = site.send(&Ask::post("/"));
    assert_eq!(
        denied.header("ratelimit").as_deref(),
        Some("\"hour\";r=0;t=1800, \"minute\";r=0;t=30, \"free\";r=98;t=59")
    );
    let policy = site.gate.policy();
    let names: Vec<_> = denied.denied().spent().map(|id| policy.limit(id).name()).collect();
    assert!(names.contains(&"hour") && names.contains(&"minute") && names.len() == 2, "{names:?}");
    assert_eq!(policy.limit(denied.denied().limit()).name(), "hour");
}

/// H4: some clients read the first member of each field, and take the one for the quota of the other.
#[test]
fn a_quota_stands_in_the_place_of_its_balance() {
    let limits = r#"[{ name = "free", quota = "100/minute" }, { name = "minute", quota = "2/minute" },
                    { name = "slots", quota = "1 concurrent" }, { name = "hour", quota = "3/hour" }]"#;
    let site = Site::with_limits(limits);
    let _held = site.send(&Ask::post("/"));
    assert_eq!(names(&site.send(&Ask::post("/"))), ["slots", "free", "minute", "hour"]);

    let site = Site::with_limits(limits);
    site.pass(2, &Ask::post("/"));
    assert_eq!(names(&site.send(&Ask::post("/"))), ["minute", "free", "slots", "hour"]);
    site.clock.advance(std::time::Duration::from_secs(30));
    assert_eq!(names(&site.send(&Ask::post("/"))), ["free", "minute", "slots", "hour"], "the route's");
    assert_eq!(names(&site.send(&Ask::post("/"))), ["hour", "minute", "free", "slots"]);

    let batch = batches().send(&Ask::post("/").batch(101));
    assert_eq!(names(&batch), ["items", "calls"], "it can never pass");

    let warming = Site::new(&format!(
        "[warmup]\nscale = 0.5\nready = \"/ready\"\n[[route]]\npath = \"/\"\nlimits = {limits}"
    ));
    warming.pass(1, &Ask::post("/"));
    let denied = warming.send(&Ask::post("/"));
    assert_eq!((denied.status(), names(&denied)[0].as_str()), (429, "hour"), "{:?}", names(&denied));
}

/// H4: there is no time to tell for what can never pass.
#[test]
fn what_can_never_pass_comes_first_and_tells_no_time() {
    let site = batches();
    let denied = site.send(&Ask::post("/").batch(101));
    assert_eq!(denied.header("ratelimit").as_deref(), Some("\"items\";r=0, \"calls\";r=10;t=60"));
}

/// The time told is long enough that spending what remains evenly over it keeps within the quota.
#[test]
fn the_effective_window_never_invites_more_than_the_quota() {
    let site = Site::with_limits(r#"[{ name = "q", quota = "10/minute" }]"#);
    let mut told = Vec::new();
    for _ in 0..10 {
        told.push(site.send(&Ask::post("/")).header("ratelimit").unwrap());
    }
    assert_eq!(told[0], "\"q\";r=9;t=54");
    assert_eq!(told[8], "\"q\";r=1;t=6");
    assert_eq!(told[9], "\"q\";r=0;t=6");
}

/// H5.
#[test]
fn no_integer_is_wider_than_fifteen_digits() {
    let site = Site::new(
        r#"
        [[route]]
        path   = "/"
        meter  = "bytes"
        limits = [{ name = "bytes", quota = "5000000000000000 bytes/day" }]
        "#,
    );
    let reply = site.send(&Ask::post("/").body("x"));
    assert_eq!(reply.remaining(), 999_999_999_999_999);
    assert_eq!(reply.list("ratelimit-policy")[0].1[0].1, 999_999_999_999_999);
}

/// H7.
#[test]
fn without_limits_there_are_no_fields() {
    let reply = Site::with_limits("[]").send(&Ask::post("/"));
    assert!(reply.headers().is_empty());
}

/// H8.
#[test]
fn only_registered_units_are_told_as_units() {
    let site = Site::new(
        r#"
        [[route]]
        path   = "/"
        meter  = [{ items = "/inputs" }, "bytes"]
        limits = [
            { name = "calls", quota = "10/minute" },
            { name = "bytes", quota = "1000 bytes/minute" },
            { name = "slots", quota = "8 concurrent" },
            { name = "items", quota = "100 items/minute" },
        ]
        "#,
    );
    let reply = site.send(&Ask::post("/").batch(1));
    assert_eq!(
        reply.header("ratelimit-policy").as_deref(),
        Some(
            "\"calls\";q=10;w=60, \"bytes\";q=1000;qu=\"content-bytes\";w=60, \
             \"slots\";q=8;qu=\"concurrent-requests\", \"items\";q=100;w=60;sluicegate-unit=\"items\""
        )
    );
    assert_eq!(
        reply.list("ratelimit")[2],
        ("slots".to_owned(), vec![("r".to_owned(), 7)]),
        "slots have no time"
    );
}

/// H17.
#[test]
fn other_families_are_off_by_default_and_chosen_one_by_one() {
    let prefixes = |families: &str| {
        let reply = family(families);
        let mut prefixes: Vec<String> = Vec::new();
        for name in reply.headers().keys() {
            let name = name.as_str();
            let prefix = ["anthropic-", "x-ratelimit-", "ratelimit-policy", "ratelimit-", "ratelimit"]
                .into_iter()
                .find(|prefix| name.starts_with(prefix))
                .unwrap();
            if !prefixes.iter().any(|known| known == prefix) {
                prefixes.push(prefix.to_owned());
            }
        }
        prefixes.sort();
        prefixes
    };
    assert_eq!(prefixes(""), ["ratelimit", "ratelimit-policy"]);
    assert_eq!(prefixes("headers = [\"draft-06\"]"), ["ratelimit-"]);
    assert_eq!(prefixes("headers = [\"github\"]"), ["x-ratelimit-"]);
    assert_eq!(prefixes("headers = [\"openai\"]"), ["x-ratelimit-"]);
    assert_eq!(prefixes("headers = [\"anthropic\"]"), ["anthropic-"]);
    assert_eq!(prefixes("headers = []"), [""; 0]);
    assert_eq!(
        prefixes("headers = [\"ietf\", \"anthropic\"]"),
        ["anthropic-", "ratelimit", "ratelimit-policy"]
    );
}

/// H17.
#[test]
fn draft_06_tells_seconds_from_now() {
    let reply = family("headers = [\"draft-06\"]");
    assert_eq!(reply.header("ratelimit-limit").as_deref(), Some("10"));
    assert_eq!(reply.header("ratelimit-remaining").as_deref(), Some("9"));
    assert_eq!(reply.header("ratelimit-reset").as_deref(), Some("6"));
}

/// H17.
#[test]
fn github_tells_a_time_since_1970() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let reply = family("headers = [\"github\"]");
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    assert_eq!(reply.header("x-ratelimit-limit").as_deref(), Some("10"));
    assert_eq!(reply.header("x-ratelimit-remaining").as_deref(), Some("9"));
    assert_eq!(reply.header("x-ratelimit-used").as_deref(), Some("1"));
    assert_eq!(reply.header("x-ratelimit-resource").as_deref(), Some("tight_one"));
    let reset: u64 = reply.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert!((before + 6..=after + 6).contains(&reset), "{reset} is not 6 s after {before}");
}

/// H17.
#[test]
fn openai_tells_a_duration_for_requests() {
    let reply = family("headers = [\"openai\"]");
    assert_eq!(reply.header("x-ratelimit-limit-requests").as_deref(), Some("10"));
    assert_eq!(reply.header("x-ratelimit-remaining-requests").as_deref(), Some("9"));
    assert_eq!(reply.header("x-ratelimit-reset-requests").as_deref(), Some("6s"));
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), None, "nothing counts tokens");
}

/// H17.
#[test]
fn anthropic_tells_a_time_of_the_calendar() {
    let reply = family("headers = [\"anthropic\"]");
    assert_eq!(reply.header("anthropic-ratelimit-requests-limit").as_deref(), Some("10"));
    assert_eq!(reply.header("anthropic-ratelimit-requests-remaining").as_deref(), Some("9"));
    let reset = reply.header("anthropic-ratelimit-requests-reset").unwrap();
    assert_eq!((reset.len(), &reset[10..11], &reset[19..]), (20, "T", "Z"), "{reset}");
}

/// Families with room for one limit tell of the one that runs out first, or that denied.
#[test]
fn the_limit_that_runs_out_first_is_the_one_that_is_told() {
    let site = Site::new(
        r#"
        [responses]
        headers = ["draft-06"]
        [[route]]
        path   = "/"
        meter  = { items = "/inputs" }
        limits = [{ name = "calls", quota = "10/minute" }, { name = "items", quota = "100 items/minute" }]
        "#,
    );
    let limit = |reply: &Reply| reply.header("ratelimit-limit").unwrap();
    assert_eq!(limit(&site.send(&Ask::post("/").batch(1))), "10");
    assert_eq!(limit(&site.send(&Ask::post("/").batch(40))), "100", "one more of 40, eight more calls");
    let denied = site.send(&Ask::post("/").batch(60));
    assert_eq!((denied.status(), limit(&denied)), (429, "100".to_owned()));
    assert_eq!(denied.header("ratelimit-remaining").as_deref(), Some("0"));
}

fn family(responses: &str) -> Reply {
    let site = Site::new(&format!(
        r#"
        [responses]
        {responses}
        [[route]]
        path   = "/"
        limits = [{{ name = "slots", quota = "1 concurrent" }}, {{ name = "wide", quota = "1000/minute" }},
                  {{ name = "tight-one", quota = "10/minute" }}]
        "#
    ));
    site.send(&Ask::post("/"))
}

/// The limits, in the one order of both fields.
fn names(reply: &Reply) -> Vec<String> {
    let of = |field| reply.list(field).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(of("ratelimit"), of("ratelimit-policy"));
    of("ratelimit")
}

fn batches() -> Site {
    Site::new(
        r#"
        [[route]]
        path   = "/"
        meter  = { items = "/inputs" }
        limits = [{ name = "calls", quota = "10/minute" }, { name = "items", quota = "100 items/minute" }]
        "#,
    )
}
