//! The charges of a request, by its caller and its path.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use sluicegate::{Charge, Cost};
use sluicegate_policy::{KeyTemplate, Mode, Policy, RequestAttributes, Scale, Source};

fn parse(text: &str) -> Policy {
    let policy = Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source));
    policy.expect("the tests' own policies are right")
}

fn attributes<'a>(headers: &'a HeaderMap) -> RequestAttributes<'a> {
    RequestAttributes {
        key_hint: None,
        client: "192.0.2.7",
        api_key: None,
        tenant: None,
        tier: "free",
        route: "/predict",
        path: "/predict",
        parameters: &[],
        method: &Method::POST,
        headers,
        query: None,
        body: None,
    }
}

/// The bill of a POST to a path, by an anonymous caller of a tier.
fn bill(policy: &Policy, path: &str, tier: &str, warmup: Option<f64>, body: &str) -> Vec<Charge> {
    let found = policy.routes.find(&Method::POST, path).expect("a plain path");
    let route = policy.routes.get(found.route);
    let body = route.meter().reads_body().then(|| route.meter().read(body.as_bytes()).expect("a good body"));
    let tier = policy.tiers.find(tier).expect("a known tier");
    let headers = HeaderMap::new();
    let attributes = RequestAttributes {
        tier: policy.tiers.name(tier),
        route: route.label(),
        path: &found.path,
        parameters: &found.parameters,
        body: body.as_ref(),
        ..attributes(&headers)
    };
    let warmup = warmup.map(|factor| Scale::of(factor).expect("a scale"));
    let charge = |id| {
        policy.limit(id).charge(
            tier,
            warmup,
            route.cost(policy.limit(id).unit(), body.as_ref(), None),
            &attributes,
        )
    };
    route.limits().iter().map(|id| charge(*id)).collect()
}

/// Key, amount and cost of each line.
fn lines(bill: &[Charge]) -> Vec<(&str, u64, u64)> {
    bill.iter().map(|it| (it.key.as_str(), it.quota.amount(), it.cost.units())).collect()
}

#[test]
fn a_limit_without_a_name_gets_one_from_its_route_and_quota() {
    let long = "x".repeat(80);
    let policy = parse(&format!(
        "[defaults]\nlimits = '100/hour'
         [[route]]\npath = '/predict'\nlimits = ['10/minute', '5/5 minutes', {{ quota = '10/minute', key = 'global' }}]
         [[route]]\npath = '/models/{{model}}/predict'\nmethods = ['GET']\nlimits = '100 requests per day burst 20'
         [[route]]\npath = '/models/{{model}}/predict'\nmethods = ['POST']\nlimits = '8 concurrent'
         [[route]]\npath = '/'\nlimits = '1/s'
         [[route]]\npath = '/{long}'\nlimits = '1/s'"
    ));
    let names: Vec<_> = policy.limits.iter().map(sluicegate_policy::Limit::name).collect();
    assert_eq!(
        names[..7],
        [
            "default_100_per_hour",
            "predict_10_per_minute",
            "predict_5_per_5_minutes",
            "predict_10_per_minute_2",
            "get_models_model_predict_100_per_day_burst_20",
            "post_models_model_predict_8_concurrent",
            "root_1_per_second",
        ]
    );
    assert_eq!((names[7].len(), &names[7][..55]), (64, &long[..55]));
}

#[test]
fn tiers_keep_accounts_of_their_own_and_scale_what_is_kept_per_caller() {
    let policy = parse(
        "[identity]\ndefault_tier = 'free'\n[tiers.free]\n[tiers.premium]\nscale = 5\nlimits = { gpu = '9 concurrent' }
         [limits.gpu]\nquota = '8 concurrent'\nkey = 'global'
         [[route]]\npath = '/tiered'\nlimits = ['20/minute', 'gpu', { name = 'all', quota = '30/minute', key = ['tier', 'path'] }]",
    );
    assert_eq!(
        lines(&bill(&policy, "/tiered", "free", None, "")),
        [
            ("tiered_20_per_minute:free|client_ip=192.0.2.7", 20, 1),
            ("gpu", 8, 1),
            ("all|tier=free|path=/tiered", 30, 1),
        ]
    );
    assert_eq!(
        lines(&bill(&policy, "/tiered", "premium", None, "")),
        [
            ("tiered_20_per_minute:premium|client_ip=192.0.2.7", 100, 1),
            ("gpu", 9, 1),
            ("all|tier=premium|path=/tiered", 30, 1),
        ]
    );
}

#[test]
fn a_tier_that_scales_down_leaves_at_least_one() {
    let policy = parse(
        "[tiers.trial]\nscale = 0.1\n[[route]]\npath = '/a'\nlimits = ['5/minute', '25/minute burst 50']",
    );
    let bill = bill(&policy, "/a", "trial", None, "");
    assert_eq!(bill[0].quota.amount(), 1);
    assert_eq!((bill[1].quota.amount(), bill[1].quota.burst_size()), (2, 5));
}

#[test]
fn a_request_costs_its_weight_its_items_its_bytes_and_one_slot() {
    let policy = parse(
        "[[route]]\npath = '/batch'\nweight = 4\nmeter = [{ items = '/inputs' }, 'bytes']
         limits = ['100/minute', '100 items/minute', '1000 bytes/s', '8 concurrent']",
    );
    let costs = |body| -> Vec<_> {
        bill(&policy, "/batch", "default", None, body).iter().map(|it| it.cost.units()).collect()
    };
    assert_eq!(costs(r#"{"inputs": ["a", "b", "c"]}"#), [4, 3, 27, 1]);
    assert_eq!(costs(r#"{"inputs": 0}"#), [4, 0, 13, 1]);
}

#[test]
fn warm_up_scales_every_limit_and_leaves_at_least_one() {
    let policy = parse(
        "[identity]\ndefault_tier = 'free'\n[tiers.free]\n[tiers.premium]\nscale = 5
         [[route]]\npath = '/a'\nlimits = ['10/minute', '3/minute', { name = 'g', quota = '50 concurrent', key = 'global' }]",
    );
    let amounts = |tier, warmup| -> Vec<_> {
        bill(&policy, "/a", tier, warmup, "").iter().map(|it| it.quota.amount()).collect()
    };
    assert_eq!(amounts("free", Some(0.2)), [2, 1, 10]);
    assert_eq!(amounts("premium", Some(0.2)), [10, 3, 10]);
    assert_eq!(amounts("premium", None), [50, 15, 50]);
}

#[test]
fn what_the_whole_limit_holds_can_pass_while_it_is_scaled_down() {
    let policy = parse(
        "[[route]]\npath = '/a'\nweight = 4\nmeter = { items = '/n' }\nlimits = ['10/minute', '100 items/minute']",
    );
    let cold = bill(&policy, "/a", "default", Some(0.2), r#"{"n": 50}"#);
    assert!(cold.iter().all(|charge| charge.quota.can_hold(charge.cost)));
    let never = bill(&policy, "/a", "default", Some(0.2), r#"{"n": 101}"#);
    assert!(!never[1].quota.can_hold(never[1].cost));
}

#[test]
fn routes_without_limits_share_the_default_ones_and_an_empty_list_is_none() {
    let policy = parse(
        "[defaults]\nlimits = '100/hour'\n[[route]]\npath = '/a'\n[[route]]\npath = '/info'\nlimits = []",
    );
    let default = [("default_100_per_hour|client_ip=192.0.2.7", 100, 1)];
    assert_eq!(lines(&bill(&policy, "/a", "default", None, "")), default);
    assert_eq!(lines(&bill(&policy, "/elsewhere", "default", None, "")), default);
    assert_eq!(lines(&bill(&policy, "/info", "default", None, "")), []);
}

#[test]
fn a_named_limit_is_one_account_across_routes() {
    let policy = parse(
        "[limits.rpm]\nquota = '60/minute'\nalgorithm = 'fixed-window'\nmode = 'shadow'
         [[route]]\npath = '/a'\nlimits = 'rpm'\n[[route]]\npath = '/b'\nlimits = ['rpm']",
    );
    assert_eq!(bill(&policy, "/a", "default", None, ""), bill(&policy, "/b", "default", None, ""));
    assert_eq!(policy.limits.len(), 1);
    assert_eq!(policy.limits[0].mode(), Mode::Shadow);
}

#[test]
fn defaults_hold_where_a_limit_says_nothing_else() {
    let policy = parse(
        "[defaults]\nkey = 'global'\nalgorithm = 'fixed-window'
         [[route]]\npath = '/a'\nlimits = ['1/s', '2 concurrent', { quota = '3/s', key = 'client_ip', algorithm = 'sliding-log' }]",
    );
    let bill = bill(&policy, "/a", "default", None, "");
    let kept: Vec<_> = bill.iter().map(|it| it.quota.algorithm().as_str()).collect();
    assert_eq!(kept, ["fixed-window", "concurrent", "sliding-log"]);
    assert_eq!(bill[0].key.as_str(), "a_1_per_second");
    assert_eq!(bill[2].key.as_str(), "a_3_per_second|client_ip=192.0.2.7");
}

#[test]
fn each_part_of_a_key_is_found_or_replaced_by_the_client() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-user", "alice"),
        ("x-twice", "a"),
        ("x-twice", "b"),
        ("x-empty", ""),
        ("cookie", "session=s1; other=x"),
        ("cookie", "session=s2"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let meter = sluicegate_policy::Meter::default().and_value("/user/id".parse().unwrap());
    let body = meter.read(br#"{"user": {"id": 7}}"#).unwrap();
    let parameters = [("model".to_owned(), "iris".to_owned())];
    let attributes = RequestAttributes {
        api_key: Some("k1"),
        tenant: Some("acme"),
        parameters: &parameters,
        query: Some("user=a%20b&user=c+d&flag"),
        body: Some(&body),
        ..attributes(&headers)
    };
    for (part, expected) in [
        ("client_ip", "client_ip=192.0.2.7"),
        ("api_key", "tenant=acme|api_key=k1"),
        ("tenant", "tenant=acme"),
        ("tier", "tier=free"),
        ("route", "route=/predict"),
        ("path", "path=/predict"),
        ("method", "method=POST"),
        ("header:X-User", "header:x-user=alice"),
        ("header:x-twice", "header:x-twice=a,b"),
        ("header:x-empty", "client_ip=192.0.2.7"),
        ("header:x-none", "client_ip=192.0.2.7"),
        ("query:user", "query:user=c%20d"),
        ("query:flag", "client_ip=192.0.2.7"),
        ("query:none", "client_ip=192.0.2.7"),
        ("cookie:session", "cookie:session=s2"),
        ("cookie:none", "client_ip=192.0.2.7"),
        ("path:model", "path:model=iris"),
        ("body:/user/id", "body:/user/id=7"),
        ("body:/user/name", "client_ip=192.0.2.7"),
    ] {
        let key = KeyTemplate::parse([part]).unwrap().key("limit", &attributes);
        assert_eq!(key.as_str(), format!("limit|{expected}"), "{part}");
    }
    assert_eq!(KeyTemplate::parse(["global"]).unwrap().key("limit", &attributes).as_str(), "limit");
}

#[test]
fn all_accounts_of_a_tenant_are_kept_in_one_place() {
    let headers = HeaderMap::new();
    let known = RequestAttributes { api_key: Some("k1"), tenant: Some("acme"), ..attributes(&headers) };
    let key = |parts: &[&str], attributes: &RequestAttributes<'_>| {
        KeyTemplate::parse(parts.iter().copied()).unwrap().key("limit", attributes).as_str().to_owned()
    };
    assert_eq!(key(&["tenant", "method"], &known), "limit|tenant=acme|method=POST");
    assert_eq!(key(&["api_key", "method"], &known), "limit|tenant=acme|api_key=k1|method=POST");
    // Who says first what else tells callers apart has said so.
    assert_eq!(key(&["method", "api_key"], &known), "limit|method=POST|api_key=k1");
    let without_tenant = RequestAttributes { tenant: None, ..known };
    assert_eq!(key(&["api_key"], &without_tenant), "limit|api_key=k1");
    let anonymous = RequestAttributes { api_key: None, tenant: Some("acme"), ..known };
    assert_eq!(key(&["api_key"], &anonymous), "limit|client_ip=192.0.2.7");
}

#[test]
fn a_tier_is_told_apart_before_the_part_that_keeps_accounts_together() {
    let policy = parse(
        "[tiers.premium]\n[[route]]\npath = '/'\nlimits = [{ name = 'rpm', quota = '1/s', key = 'api_key' }]",
    );
    let headers = HeaderMap::new();
    let attributes = RequestAttributes { api_key: Some("k1"), tenant: Some("acme"), ..attributes(&headers) };
    let charge = policy.limits[0].charge(policy.tiers.default_tier(), None, Cost::ONE, &attributes);
    assert_eq!(charge.key.as_str(), "rpm:premium|tenant=acme|api_key=k1");
}

#[test]
fn no_header_can_pass_for_an_address() {
    let header = KeyTemplate::parse(["header:client_ip"]).unwrap();
    let mut headers = HeaderMap::new();
    let anonymous = header.key("limit", &attributes(&headers));
    headers.insert("client_ip", HeaderValue::from_static("192.0.2.7"));
    assert_ne!(header.key("limit", &attributes(&headers)), anonymous);
}

proptest! {
    #[test]
    fn different_callers_never_share_a_key(
        a in proptest::collection::vec("[ab|%=é ]{0,4}", 2),
        b in proptest::collection::vec("[ab|%=é ]{0,4}", 2),
    ) {
        let template = KeyTemplate::parse(["api_key", "tenant"]).unwrap();
        let headers = HeaderMap::new();
        let key = |it: &[String]| {
            template.key("limit", &RequestAttributes { api_key: Some(&it[0]), tenant: Some(&it[1]), ..attributes(&headers) })
        };
        prop_assert_eq!(key(&a) == key(&b), a == b);
    }
}
