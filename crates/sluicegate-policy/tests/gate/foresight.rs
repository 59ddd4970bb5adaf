//! Decisions of a gate, before it takes them.

use std::time::Duration;

use http::Request;
use sluicegate::Resilient;
use sluicegate_policy::{ApiKeys, Gate, KeyFile, Outcome, Renderer, RequestId, UtcTime};

use crate::site::{Ask, Site, now};

/// Through a spent limit and its refill, and beside a slot that is held.
#[test]
fn what_is_foreseen_is_what_is_then_decided_to_the_last_header() {
    let site = Site::with_limits(
        r#"[
            { name = "bucket", quota = "3/minute" },
            { name = "fixed", quota = "5/minute", algorithm = "fixed-window" },
            { name = "slots", quota = "2 concurrent" },
        ]"#,
    );
    let held = site.send(&Ask::post("/")).passed();
    for seconds in PAUSES {
        site.clock.advance(Duration::from_secs(seconds));
        for _ in 0..2 {
            let foreseen = [told(&site.gate.foresight(), ""), told(&site.gate.foresight(), "")];
            let decided = told(&site.gate, "");
            assert_eq!(foreseen, [decided.clone(), decided]);
        }
    }
    let second = site.send(&Ask::post("/")).passed();
    let foreseen = told(&site.gate.foresight(), "");
    assert_eq!((&foreseen, foreseen.0), (&told(&site.gate, ""), Some(429)));
    drop((held, second));
}

/// A balance does not tell when the units come back that sliding limits have spent, one by one.
#[test]
fn what_sliding_limits_decide_is_foreseen_though_not_each_time_that_they_tell() {
    for algorithm in ["sliding-window", "sliding-log"] {
        let site = Site::with_limits(&format!(
            "[{{ name = \"sliding\", quota = \"3/minute\", algorithm = \"{algorithm}\" }}]"
        ));
        for seconds in PAUSES {
            site.clock.advance(Duration::from_secs(seconds));
            for _ in 0..2 {
                let (foreseen, decided) = (told(&site.gate.foresight(), ""), told(&site.gate, ""));
                assert_eq!(foreseen.0, decided.0, "{algorithm}");
                // A denial of one unit is foreseen to the second.
                assert!(foreseen.0.is_none() || foreseen == decided, "{foreseen:?} is not {decided:?}");
            }
        }
    }
}

const PAUSES: [u64; 12] = [0, 0, 1, 9, 13, 20, 20, 1, 1, 40, 0, 60];

#[test]
fn a_foreseen_request_leaves_slots_and_token_estimates_where_they_are() {
    let site = Site::new(
        "[[route]]\npath = \"/\"\nmeter = \"bytes\"\nlimits = [\n\
         { name = \"bytes\", quota = \"100 bytes/minute\" }, { name = \"slots\", quota = \"1 concurrent\" }]",
    );
    let (head, ()) = Request::post("/").header("content-length", "60").body(()).unwrap().into_parts();
    let foresight = site.gate.foresight();
    let visit = now(foresight.enter(&head, [192, 0, 2, 1].into())).unwrap();
    let Outcome::Admitted(pass) = now(foresight.decide(&visit, None)) else { panic!("it fits") };
    assert_eq!((pass.balances()[0].remaining, pass.balances()[1].remaining), (40, 0));
    now(pass.settle(sluicegate::Cost::new(1000))).unwrap();
    let pass = site.send(&Ask::post("/").header("content-length", "60")).passed();
    assert_eq!((pass.balances()[0].remaining, pass.balances()[1].remaining), (40, 0));
}

#[test]
fn wrong_api_keys_that_are_only_foreseen_count_for_no_one() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("keys.toml");
    let secret =
        KeyFile::at(&file).add("acme", None, UtcTime::from(std::time::SystemTime::UNIX_EPOCH)).unwrap();
    let site = Site::new(
        "[identity]\napi_keys = \"keys.toml\"\nfailures = \"2/minute\"\n[[route]]\npath = \"/\"\nlimits = [\"9/minute\"]",
    );
    site.gate.replace_api_keys(ApiKeys::load_for(&file, &site.gate.policy().tiers).unwrap());
    for _ in 0..5 {
        assert_eq!(told(&site.gate.foresight(), "wrong").0, Some(401));
    }
    assert_eq!(told(&site.gate, secret.as_str()).0, None);
    for _ in 0..2 {
        assert_eq!(told(&site.gate, "wrong").0, Some(401));
    }
    for key in ["wrong", secret.as_str()] {
        assert_eq!(told(&site.gate.foresight(), key), told(&site.gate, key));
        assert_eq!(
            told(&site.gate.foresight(), key).0,
            Some(429),
            "who has guessed too often is foreseen to be denied"
        );
    }
}

/// The status of a rejection, `None` for a pass, and the headers about limits.
fn told<S: Resilient>(gate: &Gate<S>, api_key: &str) -> (Option<u16>, Vec<String>) {
    let mut request = Request::post("/");
    if !api_key.is_empty() {
        request = request.header("x-api-key", api_key);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let renderer = Renderer::new(gate.policy());
    let outcome = match now(gate.enter(&head, [192, 0, 2, 1].into())) {
        Ok(visit) => now(gate.decide(&visit, None)),
        Err(rejection) => rejection.into(),
    };
    match outcome {
        Outcome::Admitted(pass) => {
            let lines = renderer.lines(&pass, &renderer.form(&head, pass.route()));
            (None, lines.iter().map(|(name, value)| format!("{name}: {value:?}")).collect())
        }
        Outcome::Rejected(rejection) => {
            let response = renderer.rejected(&rejection, &head, &RequestId::of(&head.headers));
            let about = response.headers().iter().filter(|(name, _)| !name.as_str().ends_with("request-id"));
            let lines = about.map(|(name, value)| format!("{name}: {value:?}")).collect();
            (Some(response.status().as_u16()), lines)
        }
    }
}
