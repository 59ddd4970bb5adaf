//! A store that does not answer.

use bytes::Bytes;
use http::{Request, Response};
use sluicegate::{
    Backend, Charge, Cost, Decision, Fallback, Lease, ManualClock, OutageMode, Resilient, Store, StoreError,
    Taken,
};
use sluicegate_policy::{Extended, Gate, Policy, Rejection, Renderer, RequestId, Source};

use crate::site::{now, read};

#[test]
fn a_limited_request_is_503_with_one_second_to_wait() {
    let gate = gate("[\"10/minute\"]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let rejection = now(gate.decide(&visit, None)).into_result().unwrap_err();
    let response = Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::new());
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!String::from_utf8_lossy(response.body()).contains("cache:6379"), "not for the client");
    let Rejection::Refused(refused) = rejection else { panic!("{rejection:?}") };
    assert_eq!(refused.store_error.unwrap().to_string(), "cache:6379 does not answer", "for the log");
}

#[test]
fn a_route_without_limits_does_not_notice() {
    let gate = gate("[]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    assert!(now(gate.decide(&visit, None)).is_admitted());
}

#[test]
fn a_shadow_limit_denies_nothing_even_then() {
    let gate = gate("[{ quota = \"1/minute\", mode = \"shadow\" }]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let pass = now(gate.decide(&visit, None)).into_result().unwrap();
    assert!(pass.denied_in_shadow().is_empty());
}

#[test]
fn each_limit_goes_on_in_its_own_mode() {
    for (limits, statuses) in [
        (r#"[{ quota = "1/day", outage = "allow" }]"#, [200, 200]),
        (r#"[{ quota = "1/day", outage = "local" }]"#, [200, 429]),
        (r#"[{ quota = "1/day", outage = "deny" }]"#, [503, 503]),
        (r#"[{ quota = "1/day", outage = "allow" }, { quota = "9/day", outage = "local" }]"#, [200, 200]),
        (r#"[{ quota = "9/day", outage = "allow" }, { quota = "1/day", outage = "local" }]"#, [200, 429]),
        (r#"[{ quota = "9/day", outage = "local" }, { quota = "9/day", outage = "deny" }]"#, [503, 503]),
        // A shadow limit between them has a mode of its own too, and denies nothing.
        (
            r#"[{ quota = "9/day", outage = "deny", mode = "shadow" }, { quota = "1/day", outage = "local" }]"#,
            [200, 429],
        ),
    ] {
        let gate = resilient(&format!("[[route]]\npath = \"/\"\nlimits = {limits}"));
        assert_eq!([(); 2].map(|()| status(&gate, None)), statuses, "{limits}");
    }
}

#[test]
fn a_shadow_limit_records_in_its_own_mode() {
    for (outage, denied) in [("local", 1), ("allow", 0), ("deny", 0)] {
        let limits = format!("[{{ quota = \"1/day\", outage = \"{outage}\", mode = \"shadow\" }}]");
        let gate = resilient(&format!("[[route]]\npath = \"/\"\nlimits = {limits}"));
        assert_eq!(status(&gate, None), 200);
        let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
        let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
        let pass = now(gate.decide(&visit, None)).into_result().unwrap();
        assert_eq!(pass.denied_in_shadow().len(), denied, "{outage}");
    }
}

#[test]
fn a_wrong_api_key_is_refused_in_the_mode_of_the_limit_on_guessing() {
    for (outage, statuses) in [("local", [401, 429]), ("allow", [401, 401]), ("deny", [503, 503])] {
        let text = format!(
            "[store]\nurl = \"redis://cache\"\noutage = \"{outage}\"\n\
             [identity]\napi_keys = \"keys.toml\"\nfailures = \"1/day\""
        );
        let gate = resilient(&text);
        assert_eq!([(); 2].map(|()| status(&gate, Some("wrong"))), statuses, "{outage}");
    }
}

#[test]
fn an_answer_that_grows_takes_more_in_the_mode_of_its_limit() {
    let word = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
    let request = Bytes::from_static(b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    for (outage, amount, is_taken) in
        [("allow", 5, true), ("local", 5, false), ("local", 100, true), ("deny", 100, false)]
    {
        let policy = |outage: &str| {
            format!(
                "[[route]]\npath = \"/\"\nmeter = {{ tokens = \"openai\", default_output = 10 }}\n\
                 limits = [{{ quota = \"{amount} output_tokens/day\", outage = \"{outage}\" }}]"
            )
        };
        let gate = resilient(&policy("allow"));
        let head = Request::post("/").header("content-type", "application/json").body(()).unwrap();
        let (head, ()) = head.into_parts();
        let mut visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
        let reading = read(*visit.take_reading().unwrap(), std::iter::once(&request[..])).unwrap();
        let mut pass = now(gate.decide(&visit, Some(&reading))).into_result().unwrap();

        let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
        let mut meter = pass.reservation().unwrap().response_meter(&head.into_parts().0);
        (0..11).for_each(|_| meter.data(word));
        let extension = pass.extension(&meter).expect("an answer that is longer than its reservation");
        let extended = now(gate.with_policy(parse(&policy(outage))).extend(extension));
        assert_eq!(matches!(extended, Extended::Taken(_)), is_taken, "{outage} of {amount}: {extended:?}");
    }
}

#[test]
fn balances_are_those_of_the_store_or_an_error_whatever_the_limit_does() {
    for outage in OutageMode::ALL {
        let limits = format!("[{{ quota = \"9/day\", key = \"global\", outage = \"{outage}\" }}]");
        let gate = resilient(&format!("[[route]]\npath = \"/\"\nlimits = {limits}"));
        let accounts = gate.accounts("global", None);
        assert_eq!(accounts.len(), 1);
        let error = now(gate.balances(&accounts)).expect_err("a stand-in's balance is not the account's");
        assert_eq!(error.to_string(), "cache:6379 does not answer", "{outage}");
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Store for Silent {
    type Lease = Lease;

    async fn take(&self, _: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    async fn settle(&self, _: &[Charge], _: Lease, _: &[Cost]) -> Result<(), StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    async fn reset(&self, _: &[Charge]) -> Result<(), StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    fn release(&self, _: &[Charge], _: Lease) {}
}

impl Backend for Silent {}

impl Resilient for Silent {
    async fn take_or(
        &self,
        charges: &[Charge],
        _: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}

fn gate(limits: &str) -> Gate<Silent> {
    let text = format!("[[route]]\npath = \"/\"\nlimits = {limits}");
    let policy = Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap()).unwrap();
    Gate::new(policy, Silent, ManualClock::new())
}

/// A gate on a store that goes on.
fn resilient(text: &str) -> Gate<Fallback<Silent, ManualClock>> {
    let clock = ManualClock::new();
    let store = Fallback::builder(Silent).clock(clock.clone()).build();
    Gate::new(parse(text), store, clock)
}

fn parse(text: &str) -> Policy {
    let policy = Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap());
    policy.unwrap_or_else(|error| panic!("{error}"))
}

fn status(gate: &Gate<Fallback<Silent, ManualClock>>, api_key: Option<&str>) -> u16 {
    let mut request = Request::post("/");
    if let Some(api_key) = api_key {
        request = request.header("x-api-key", api_key);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let rejection = match now(gate.enter(&head, "192.0.2.1".parse().unwrap())) {
        Ok(visit) => now(gate.decide(&visit, None)).into_result().err(),
        Err(rejection) => Some(rejection),
    };
    rejection.map_or(200, |rejection| {
        Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::new()).status().as_u16()
    })
}
