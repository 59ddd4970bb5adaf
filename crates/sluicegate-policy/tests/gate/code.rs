//! Routes that are written in a program, and gates that share what they keep.

use std::{num::NonZeroU64, sync::Arc};

use sluicegate::{Cost, ManualClock, MemoryStore};
use sluicegate_policy::{
    ApiKeys, CodeMeter, CodeRoute, Gate, Hints, KeyFile, Mode, Policy, Source, TierShare, UtcTime,
};

use crate::site::{Ask, Reply, Site, Store, quotas};

#[test]
fn a_route_in_code_is_answered_as_the_same_route_in_the_file() {
    let file = Site::new("[[route]]\npath = \"/models/{model}\"\nlimits = [\"2/minute\", \"9/hour\"]");
    let code = Code::new("", CodeRoute::new("/models/{model}", quotas("2/minute; 9/hour")));
    let ask = Ask::post("/models/a");
    for _ in 0..2 {
        let (ours, theirs) = (code.send(&ask), file.send(&ask));
        assert_eq!(ours.header("ratelimit"), theirs.header("ratelimit"));
        assert_eq!(ours.passed().charges(), theirs.passed().charges());
    }
    let (ours, theirs) = (code.send(&ask), file.send(&ask));
    let told = |reply: &Reply| {
        let mut body = reply.body();
        body["request_id"] = serde_json::Value::Null;
        (reply.status(), body, reply.header("ratelimit-policy"), reply.retry_after())
    };
    assert_eq!(told(&ours), told(&theirs));
    assert_eq!(ours.status(), 429);
}

#[test]
fn more_items_than_a_route_in_code_takes_are_refused_as_the_file_refuses_them() {
    let file = Site::new(
        "[[route]]\npath = \"/\"\nmeter = { items = \"/inputs\", max = 4 }\nlimits = [\"10 items/minute\"]",
    );
    for texts in ["10 items/minute", "10/minute", "10 items/minute; 10/minute; 1 concurrent"] {
        let route = CodeRoute { meter: inputs(), ..CodeRoute::new("/", quotas(texts)) };
        let code = Code::new("", CodeRoute { most_items: NonZeroU64::new(4), ..route });
        let (ours, theirs) = (code.send(&Ask::post("/").batch(5)), file.send(&Ask::post("/").batch(5)));
        assert_eq!((ours.status(), ours.detail()), (413, theirs.detail()), "{texts}");
        assert_eq!(code.send(&Ask::post("/").batch(4)).remaining(), 6, "something was charged");
        let given = Hints { cost: Some(Cost::new(6)), ..Hints::default() };
        assert_eq!(
            code.ask(&Ask::post("/").batch(5), given).status(),
            200,
            "a cost that is given is the program's"
        );
    }
}

#[test]
fn quotas_that_vary_share_a_name_and_so_an_account() {
    let base = Policy::parse(&Source::empty()).expect("a policy of nothing");
    let name = |text, index: usize| {
        let route = CodeRoute { varies: true, ..CodeRoute::new("/models/{model}", quotas(text)) };
        base.with_route(route).expect("a route").limits[index].name().to_owned()
    };
    assert_eq!(name("2/minute; 9/hour", 0), "models_model");
    assert_eq!(name("2/minute; 9/hour", 1), "models_model_2");
    assert_eq!(name("5/day", 0), "models_model");
}

#[test]
fn the_policys_tiers_scale_a_route_in_code_as_they_scale_the_file() {
    let code = Code::new(TIERS, CodeRoute::new("/", quotas("2/minute")));
    code.pass(2, &Ask::post("/"));
    assert_eq!(code.send(&Ask::post("/")).status(), 429);
    let premium = Ask::post("/").header("x-user-tier", "premium");
    code.pass(6, &premium);
    let denied = code.send(&premium);
    assert_eq!(denied.denied().key().as_str(), "root_2_per_minute:premium|client_ip=192.0.2.1");
}

#[test]
fn tiers_in_code_stand_instead_of_the_policys_and_the_first_is_the_default() {
    let tiers = vec![
        ("basic".to_owned(), TierShare::Scale(0.5)),
        ("gold".to_owned(), TierShare::Quotas(quotas("7/minute"))),
    ];
    let code = Code::new(TIERS, CodeRoute { tiers, ..CodeRoute::new("/", quotas("4/minute")) });
    for (tier, passes) in [(None, 2), (Some("gold"), 7)] {
        let given = Hints { tier, ..Hints::default() };
        for _ in 0..passes {
            assert_eq!(code.ask(&Ask::post("/"), given).status(), 200, "{tier:?}");
        }
        assert_eq!(code.ask(&Ask::post("/"), given).status(), 429, "{tier:?}");
    }
    let policys = Ask::post("/").header("x-user-tier", "premium");
    assert_eq!(code.send(&policys).status(), 429, "that tier is not there any more: it is `basic`");
}

#[test]
fn a_required_tier_is_asked_of_callers_as_the_file_asks_it() {
    let code = Code::new(
        TIERS,
        CodeRoute { tier: Some("premium".to_owned()), ..CodeRoute::new("/", quotas("9/minute")) },
    );
    let refused = code.send(&Ask::post("/"));
    assert_eq!((refused.status(), refused.detail().as_str()), (403, "Premium access required"));
    assert_eq!(code.send(&Ask::post("/").header("x-user-tier", "premium")).status(), 200);
}

#[test]
fn a_route_in_code_warms_up_with_its_policy() {
    let site = Site::new("[warmup]\nready = \"/health\"\n");
    let code = Code::beside(&site, CodeRoute::new("/", quotas("10/minute")));
    code.pass(2, &Ask::post("/"));
    assert_eq!(code.send(&Ask::post("/")).status(), 429);
    site.gate.upstream_is_ready();
    site.wait(60);
    code.pass(10, &Ask::post("/"));
}

#[test]
fn limits_of_one_name_are_one_account_wherever_they_are_written() {
    let site = Site::new(
        "[limits.shared]\nquota = \"3/minute\"\n[[route]]\npath = \"/file\"\nlimits = [\"shared\"]",
    );
    let named = |label: &str| CodeRoute {
        names: vec!["shared".to_owned()],
        ..CodeRoute::new(label, quotas("3/minute"))
    };
    let (one, other) = (Code::beside(&site, named("/one")), Code::beside(&site, named("/other")));
    assert_eq!(one.send(&Ask::post("/one")).remaining(), 2);
    assert_eq!(other.send(&Ask::post("/other")).remaining(), 1);
    assert_eq!(site.send(&Ask::post("/file")).remaining(), 0);
    assert_eq!(one.send(&Ask::post("/one")).status(), 429);
}

#[test]
fn a_request_that_meets_a_route_of_the_file_and_one_in_code_is_charged_once_on_each() {
    let site = Site::new("[[route]]\npath = \"/\"\nlimits = [\"2/minute\"]");
    let code = Code::beside(&site, CodeRoute::new("/", quotas("2/minute")));
    for _ in 0..2 {
        assert_eq!(site.send(&Ask::post("/")).status(), 200);
        assert_eq!(code.send(&Ask::post("/")).status(), 200);
    }
    assert_eq!(code.send(&Ask::post("/")).status(), 429);
}

#[test]
fn a_shadow_route_in_code_denies_nothing_and_tells_what_it_would_deny() {
    let code = Code::new("", CodeRoute { mode: Mode::Shadow, ..CodeRoute::new("/", quotas("1/minute")) });
    code.pass(1, &Ask::post("/"));
    let pass = code.send(&Ask::post("/")).passed();
    assert_eq!(pass.denied_in_shadow(), code.gate.policy().routes.as_slice()[0].limits());
    assert!(pass.charges().is_empty() && pass.balances().is_empty());
}

/// Costs: weight, the meter's number, and slots.
#[test]
fn a_metered_number_is_the_cost_of_what_is_not_requests_if_anything_is_not() {
    let rows = [
        ("9/minute", CodeMeter::None, vec![2]),
        ("9/minute; 99/hour", inputs(), vec![3, 3]),
        ("9/minute; 2 concurrent", inputs(), vec![3, 1]),
        ("9/minute; 99 items/minute", inputs(), vec![2, 3]),
        ("9/minute; 99 tokens/minute; 99 bytes/hour", inputs(), vec![2, 3, 3]),
        ("9 usd/day; 2 concurrent", inputs(), vec![3_000_000_000, 1]),
        ("9/minute; 99 items/minute", CodeMeter::Given, vec![2, 1]),
        ("9/minute", CodeMeter::Given, vec![2]),
    ];
    for (texts, meter, costs) in rows {
        let route = CodeRoute { weight: 2, meter: meter.clone(), ..CodeRoute::new("/", quotas(texts)) };
        let pass = Code::new("", route).send(&Ask::post("/").batch(3)).passed();
        let charged: Vec<_> = pass.charges().iter().map(|charge| charge.cost.units()).collect();
        assert_eq!(charged, costs, "{texts} {meter:?}");
    }
}

#[test]
fn a_body_without_the_number_is_400_and_charges_nothing() {
    let code = Code::new("", CodeRoute { meter: inputs(), ..CodeRoute::new("/", quotas("5/minute")) });
    assert_eq!(code.send(&Ask::post("/").body("{}")).status(), 400);
    assert_eq!(code.send(&Ask::post("/").batch(5)).remaining(), 0);
}

#[test]
fn a_path_that_no_honest_client_sends_is_400_though_the_route_is_known() {
    let code = Code::new("", CodeRoute::new("/", quotas("5/minute")));
    assert_eq!(code.send(&Ask::post("/predict%0A")).status(), 400);
}

#[test]
fn gates_that_are_made_of_one_another_know_the_same_api_keys_and_guessers() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::at(folder.path().join("keys.toml"));
    let secret = file.add("acme", None, UtcTime::from_unix(1_795_262_400)).unwrap();
    let site = Site::new("[identity]\napi_keys = \"keys.toml\"");
    let code = Code::beside(&site, CodeRoute::new("/", quotas("9/minute")));
    let right = Ask::post("/").header("x-api-key", secret.as_str());
    assert_eq!(site.send(&right).status(), 401, "it is not known yet");

    site.gate.replace_api_keys(ApiKeys::load(&folder.path().join("keys.toml")).unwrap());
    assert_eq!(code.send(&right).status(), 200);
    for guess in 2..=10 {
        let wrong = Ask::post("/").header("x-api-key", &format!("sg_{guess:08}_guess"));
        assert_eq!(site.send(&wrong).status(), 401);
    }
    assert_eq!(code.send(&right).status(), 429, "ten wrong keys are spent, wherever they were shown");
}

#[test]
fn gates_may_share_a_store_that_the_program_keeps() {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::builder().clock(clock.clone()).build());
    let policy = Policy::parse(&Source::empty()).unwrap();
    let policy = policy.with_route(CodeRoute::new("/", quotas("2/minute"))).unwrap();
    let gates: [Gate<Store>; 2] =
        std::array::from_fn(|_| Gate::new(policy.clone(), Arc::clone(&store), clock.clone()));
    for gate in &gates {
        assert_eq!(Ask::post("/").at(gate, None).status(), 200);
    }
    assert_eq!(Ask::post("/").at(&gates[0], None).status(), 429);
    assert!(Arc::ptr_eq(gates[0].store(), &store));
    assert_eq!(store.len(), 1);
}

#[test]
fn the_cost_of_a_body_that_overflows_money_never_passes() {
    let code = Code::new("", CodeRoute { meter: inputs(), ..CodeRoute::new("/", quotas("9 usd/day")) });
    let body = format!("{{\"inputs\": {}}}", 1_u64 << 53);
    let denied = code.send(&Ask::post("/").body(body));
    assert_eq!((denied.status(), denied.retry_after()), (429, None));
    assert_eq!(code.send(&Ask::post("/").batch(9)).passed().charges()[0].cost, Cost::new(9_000_000_000));
}

/// A gate of one route in code.
struct Code {
    gate: Gate<Store>,
}

impl Code {
    fn new(policy: &str, route: CodeRoute) -> Self {
        Self::beside(&Site::new(policy), route)
    }

    /// On the accounts of a site, with its policy.
    fn beside(site: &Site, route: CodeRoute) -> Self {
        let policy = site.gate.policy().with_route(route).unwrap_or_else(|error| panic!("{error}"));
        Self { gate: site.gate.with_policy(policy) }
    }

    fn send(&self, ask: &Ask) -> Reply {
        self.ask(ask, Hints::default())
    }

    fn ask(&self, ask: &Ask, given: Hints<'_>) -> Reply {
        ask.at(&self.gate, Some(given))
    }

    fn pass(&self, times: usize, ask: &Ask) {
        for time in 1..=times {
            assert_eq!(self.send(ask).status(), 200, "request {time} of {times}");
        }
    }
}

fn inputs() -> CodeMeter {
    CodeMeter::Items("/inputs".parse().unwrap())
}

const TIERS: &str = r#"
    [identity]
    tier         = "header:x-user-tier"
    default_tier = "free"
    [tiers.free]
    [tiers.premium]
    scale = 3
"#;
