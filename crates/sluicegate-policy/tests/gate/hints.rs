//! Hints that a program gives about a request, beyond its head.

use sluicegate::Cost;
use sluicegate_policy::{ApiKeys, CodeMeter, CodeRoute, Gate, Hints, KeyFile, KeyTemplate, UtcTime};

use crate::site::{Ask, Reply, Site, Store, quotas};

#[test]
fn a_given_key_tells_callers_apart_instead_of_the_template() {
    let gate = gate(CodeRoute::new("/", quotas("1/minute")));
    let key = |key| Hints { key: Some(key), ..Hints::default() };
    assert_eq!(keys(send(&gate, key("ann"))), ["root_1_per_minute|key=ann"]);
    assert_eq!(send(&gate, key("bob")).status(), 200);
    let elsewhere = Ask::post("/").from("198.51.100.7").at(&gate, Some(key("ann")));
    assert_eq!(elsewhere.status(), 429, "whatever its address");
    assert_eq!(keys(send(&gate, key("a|b=c d"))), ["root_1_per_minute|key=a%7Cb=c%20d"]);
}

#[test]
fn an_empty_key_is_the_clients_address_and_no_account_of_all() {
    let gate = gate(CodeRoute::new("/", quotas("1/minute")));
    let empty = Hints { key: Some(""), ..Hints::default() };
    assert_eq!(keys(send(&gate, empty)), ["root_1_per_minute|client_ip=192.0.2.1"]);
    assert_eq!(Ask::post("/").from("198.51.100.7").at(&gate, Some(empty)).status(), 200);
}

#[test]
fn a_given_cost_stands_instead_of_the_meters_and_the_body_is_not_read() {
    let meter = CodeMeter::Items("/inputs".parse().unwrap());
    let gate = gate(CodeRoute { meter, ..CodeRoute::new("/", quotas("9 items/minute; 9/minute")) });
    let given = Hints { cost: Some(Cost::new(4)), ..Hints::default() };
    let pass =
        Ask::post("/").body("no json").header("content-encoding", "gzip").at(&gate, Some(given)).passed();
    assert_eq!(pass.charges().iter().map(|charge| charge.cost.units()).collect::<Vec<_>>(), [4, 1]);
}

#[test]
fn a_cost_of_nothing_peeks() {
    let gate = gate(CodeRoute { meter: CodeMeter::Given, ..CodeRoute::new("/", quotas("1/minute")) });
    let cost = |units| Hints { cost: Some(Cost::new(units)), ..Hints::default() };
    for _ in 0..3 {
        assert_eq!(send(&gate, cost(0)).remaining(), 1);
    }
    let too_much = send(&gate, cost(2));
    assert_eq!((too_much.status(), too_much.retry_after()), (429, None));
    assert_eq!(send(&gate, cost(1)).remaining(), 0);
}

#[test]
fn keys_that_need_the_body_have_it_though_the_cost_is_given() {
    let meter = CodeMeter::Items("/inputs".parse().unwrap());
    let key = KeyTemplate::parse(["body:/user"]).unwrap();
    let gate = gate(CodeRoute { meter, key, ..CodeRoute::new("/", quotas("9/minute")) });
    let given = Hints { cost: Some(Cost::new(4)), ..Hints::default() };
    let reply = Ask::post("/").body("{\"user\": \"ann\"}").at(&gate, Some(given));
    assert_eq!(keys(reply), ["root_9_per_minute|body:/user=ann"]);
}

#[test]
fn the_applications_path_parameters_are_those_of_the_key() {
    let key = KeyTemplate::parse(["path:model", "path", "route"]).unwrap();
    let gate = gate(CodeRoute { key, ..CodeRoute::new("/models/{model:path}", quotas("9/minute")) });
    let parameters = [("model".to_owned(), "a/b".to_owned())];
    let given = Hints { parameters: &parameters, ..Hints::default() };
    let reply = Ask::post("/models/a%2Fb").at(&gate, Some(given));
    let expected =
        "models_model_path_9_per_minute|path:model=a/b|path=/models/a/b|route=/models/{model:path}";
    assert_eq!(keys(reply), [expected]);
    let without = Ask::post("/models/a").at(&gate, Some(Hints::default()));
    assert!(
        keys(without)[0].contains("|client_ip=192.0.2.1|path=/models/a|"),
        "as any part that is not there"
    );
}

#[test]
fn a_given_tier_wins_over_the_callers_own_and_an_unknown_one_is_the_default() {
    let (site, secret) = keyed();
    let policy = site.gate.policy().with_route(CodeRoute::new("/", quotas("2/minute"))).unwrap();
    let gate = site.gate.with_policy(policy);
    let ask = Ask::post("/").header("x-api-key", &secret);
    for (tier, granted) in [(None, 20), (Some("free"), 2), (Some("premium"), 20), (Some("Premium"), 2)] {
        let given = Hints { tier, ..Hints::default() };
        let pass = ask.at(&gate, Some(given)).passed();
        assert_eq!(pass.charges()[0].quota.amount(), granted, "{tier:?}");
    }
}

#[test]
fn a_given_key_neither_hides_a_wrong_api_key_nor_spreads_its_guesses() {
    let (site, _) = keyed();
    let policy = site.gate.policy().with_route(CodeRoute::new("/", quotas("100/minute"))).unwrap();
    let gate = site.gate.with_policy(policy);
    let mut answers = Vec::new();
    for guess in 0..11 {
        let (key, wrong) = (guess.to_string(), format!("sg_{guess:08}_guess"));
        let given = Hints { key: Some(&key), tier: Some("premium"), ..Hints::default() };
        answers.push(Ask::post("/").header("x-api-key", &wrong).at(&gate, Some(given)).status());
    }
    assert_eq!(answers, [[401; 10].as_slice(), &[429]].concat());
}

fn send(gate: &Gate<Store>, given: Hints<'_>) -> Reply {
    Ask::post("/").at(gate, Some(given))
}

fn keys(reply: Reply) -> Vec<String> {
    reply.passed().charges().iter().map(|charge| charge.key.as_str().to_owned()).collect()
}

fn gate(route: CodeRoute) -> Gate<Store> {
    let site = Site::new("");
    let policy = site.gate.policy().with_route(route).unwrap();
    site.gate.with_policy(policy)
}

/// A site with tiers, and the API key of a premium caller.
fn keyed() -> (Site, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let secret = KeyFile::at(&path).add("b", Some("premium"), UtcTime::from_unix(1_795_262_400)).unwrap();
    let site = Site::new(
        "[identity]\napi_keys = \"keys.toml\"\ndefault_tier = \"free\"\n[tiers.free]\n[tiers.premium]\nscale = 10",
    );
    site.gate.replace_api_keys(ApiKeys::load(&path).unwrap());
    (site, secret.as_str().to_owned())
}
