//! Policies that a program has as values.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate_policy::{Diagnostics, Overrides, Policy, Source};

#[test]
fn a_value_means_what_the_file_of_the_same_words_means() {
    let file = r#"
        [store]
        max_keys = 5000
        [identity]
        default_tier = "free"
        [tiers.free]
        [tiers.premium]
        scale = 2.5
        limits.predict = "50/minute"
        [[route]]
        path = "/predict"
        limits = [{ name = "predict", quota = "10/minute", key = ["api_key", "method"] }, "100/hour"]
        [[route]]
        path = "/batch"
        meter = { items = "/inputs" }
        limits = "100 items/minute"
    "#;
    let value = json!({
        "store": { "max_keys": 5000 },
        "identity": { "default_tier": "free" },
        "tiers": { "free": {}, "premium": { "scale": 2.5, "limits": { "predict": "50/minute" } } },
        "route": [
            {
                "path": "/predict",
                "limits": [{ "name": "predict", "quota": "10/minute", "key": ["api_key", "method"] }, "100/hour"],
            },
            { "path": "/batch", "meter": { "items": "/inputs" }, "limits": "100 items/minute" },
        ],
    });
    let written = Source::new("p.toml", file.as_bytes()).and_then(|source| Policy::parse(&source));
    let given = Source::of_json("policy", &value).and_then(|source| Policy::parse(&source));
    // Warnings have places, which differ.
    let without_warnings =
        |policy: Policy| format!("{:?}", Policy { warnings: Diagnostics::default(), ..policy });
    assert_eq!(without_warnings(given.unwrap()), without_warnings(written.unwrap()));
}

#[test]
fn what_is_wrong_is_told_by_its_field() {
    let rows = [
        (json!({ "stroe": {} }), "policy: stroe: unknown field `stroe`\n  help: did you mean `store`?"),
        (json!({ "store": { "url": 5 } }), "policy: store.url: must be a string, not a number"),
        (
            json!({ "route": [{ "path": "/a", "limits": [] }, { "path": "/b", "limits": ["5/minute", "5/mn"] }] }),
            "policy: route[1].limits[1]: unknown period `mn`",
        ),
        (
            json!({ "route": [{ "path": "a", "limits": [] }] }),
            "policy: route[0].path: a path begins with `/`",
        ),
        (json!({ "route": [{ "limits": [] }] }), "policy: route[0]: missing field `path`"),
        (
            json!({ "tiers": { "gold": { "scale": -1 } } }),
            "policy: tiers.gold.scale: a tier cannot scale limits",
        ),
        (json!({ "tiers": { "a b": {} } }), "policy: tiers.a b: `a b` is not a valid name of a tier"),
        (json!({ "tiers": { "a": {}, "b": {} } }), "policy: no tier is set for callers"),
        (json!([]), "policy: a policy is a table"),
    ];
    for (value, begins) in rows {
        let told = wrong(&value);
        assert!(told.starts_with(begins), "{value}\n{told}");
    }
}

#[test]
fn what_no_file_can_say_is_told_by_its_field_too() {
    let null = json!({ "route": [{ "path": "/", "tier": null, "limits": [] }] });
    assert_eq!(wrong(&null), "policy: route[0].tier: null says nothing\n  help: leave the field out");
    let large = json!({ "store": { "max_keys": u64::MAX } });
    assert!(wrong(&large).starts_with("policy: store.max_keys: a number that is too large"));
    let deep = (0..100).fold(json!(0), |inner, _| Value::Array(vec![inner]));
    assert!(wrong(&json!({ "a": deep })).contains("nested more deeply than a policy is"));
}

#[test]
fn variables_win_over_a_value_and_are_told_by_their_names() {
    let value = json!({ "store": { "max_keys": 5000 } });
    let set = |text: &str| {
        let variables = [("SLUICEGATE_STORE__MAX_KEYS".to_owned(), text.to_owned())];
        let source = Source::of_json("policy", &value).unwrap();
        Policy::parse(&source.with(Overrides::default().variables(variables)))
    };
    assert_eq!(set("7").unwrap().store.max_keys, 7);
    assert!(
        set("0").unwrap_err().to_string().starts_with("SLUICEGATE_STORE__MAX_KEYS: `max_keys` cannot be 0")
    );
}

#[test]
fn a_relative_path_in_a_value_is_meant_from_the_process() {
    let value = json!({ "identity": { "api_keys": "keys.toml" } });
    let policy = Policy::parse(&Source::of_json("some/where", &value).unwrap()).unwrap();
    assert_eq!(policy.identity.api_keys.unwrap().to_str(), Some("keys.toml"));
}

proptest! {
    #[test]
    fn no_value_makes_it_panic(value in any_value()) {
        let _ = Source::of_json("policy", &value).and_then(|source| Policy::parse(&source));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[1-9]/(minute|hour)".prop_map(Value::from),
    ];
    let name = prop_oneof!["store|tiers|route|limits|path|quota|scale|name|key|meter|identity", ".{0,4}"];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn wrong(value: &Value) -> String {
    let policy = Source::of_json("policy", value).and_then(|source| Policy::parse(&source));
    policy.expect_err("it is no policy").to_string()
}
