//! Policies of one route that is written in a program: their limits, and what is no such route.

use std::num::NonZeroU64;

use sluicegate::{Algorithm, OutageMode, Quota};
use sluicegate_policy::{CodeMeter, CodeRoute, KeyTemplate, Mode, Policy, Source, TierShare};

#[test]
fn limits_are_named_after_route_and_quota_as_in_the_file() {
    let policy = parse(
        "[defaults]\nlimits = []\n[[route]]\npath = '/a/{b}'\nlimits = ['10/minute', '5/5 minutes']
         [[route]]\npath = '/c'\nmethods = ['GET']\nlimits = ['1/hour']\n[[route]]\npath = '/c'\nlimits = []",
    );
    let names_in_file: Vec<_> = policy.limits.iter().map(|limit| limit.name().to_owned()).collect();
    let bare = parse("");
    let mut ours = names(&bare, CodeRoute::new("/a/{b}", quotas("10/minute; 5/5 minutes")));
    let get = CodeRoute { methods: vec![http::Method::GET], ..CodeRoute::new("/c", quotas("1/hour")) };
    ours.extend(names(&bare, get));
    assert_eq!(ours, names_in_file);
}

#[test]
fn a_name_is_that_of_the_first_quota_and_the_others_count_on() {
    let route = named("chat", "1/second; 10/minute; 10/minute");
    assert_eq!(names(&parse(""), route), ["chat", "chat_2", "chat_3"]);
    let longest = "x".repeat(64);
    let long = names(&parse(""), named(&longest, "1/second; 10/minute"));
    assert_eq!(long[0], longest);
    assert!(long[1].len() <= 64 && long[1] != longest);
}

#[test]
fn a_name_that_is_made_is_no_name_of_the_policy_and_one_that_is_given_may_be() {
    let policy =
        parse("[limits.gpu]\nquota = '9/minute'\n[[route]]\npath = '/a'\nlimits = ['1/minute', 'gpu']");
    assert_eq!(names(&policy, CodeRoute::new("/a", quotas("1/minute"))), ["a_1_per_minute_2"]);
    assert_eq!(names(&policy, named("gpu", "9/minute")), ["gpu"]);
}

#[test]
fn what_a_limit_is_said_to_be_it_is() {
    let log: Quota =
        "5/minute".parse::<Quota>().and_then(|it| it.with_algorithm(Algorithm::SlidingLog)).unwrap();
    let key = KeyTemplate::parse(["header:x-user", "method"]).unwrap();
    let route = CodeRoute {
        key: key.clone(),
        mode: Mode::Shadow,
        outage: Some(OutageMode::Deny),
        ..CodeRoute::new("/a", [log])
    };
    let policy = parse("[store]\noutage = 'allow'").with_route(route).unwrap();
    let limit = &policy.limits[0];
    assert_eq!((limit.mode(), limit.outage(), limit.key_template()), (Mode::Shadow, OutageMode::Deny, &key));
    assert_eq!(limit.quota(policy.tiers.default_tier()), log);
    let policy = parse("[store]\noutage = 'allow'").with_route(CodeRoute::new("/a", [log])).unwrap();
    assert_eq!(policy.limits[0].outage(), OutageMode::Allow, "as the store says");
}

#[test]
fn all_else_is_the_policys() {
    let policy = parse(
        "[gateway]\ntrusted_proxies = ['10.0.0.0/8']\n[identity]\napi_keys = 'k.toml'\ndefault_tier = 'free'
         ipv6_prefix = 56\n[tiers.free]\n[tiers.gold]\nscale = 4\n[warmup]\nready = '/health'
         [responses]\nheaders = ['github']\n[limits.other]\nquota = '1/minute'",
    );
    let ours = policy.with_route(CodeRoute::new("/a", quotas("2/minute"))).unwrap();
    assert_eq!(ours.routes.as_slice().len(), 1);
    let route = ours.routes.get(ours.routes.unmatched());
    assert_eq!((route.label(), route.limits().len()), ("/a", 1));
    assert_eq!(ours.limit(route.limits()[0]).quota(ours.tiers.find("gold").unwrap()).amount(), 8);

    let failures = |policy: &Policy| {
        let limit = policy.limit(policy.identity.failures.unwrap());
        (limit.name().to_owned(), limit.quota(policy.tiers.default_tier()))
    };
    assert_eq!(failures(&ours), failures(&policy));
    assert_eq!(ours.gateway.trusted_proxies, policy.gateway.trusted_proxies);
    assert_eq!((&ours.responses, ours.identity.ipv6_prefix), (&policy.responses, 56));
    assert!(std::sync::Arc::ptr_eq(ours.warmup.as_ref().unwrap(), policy.warmup.as_ref().unwrap()));
}

#[test]
fn an_error_says_what_is_wrong_and_what_would_be_right() {
    let tiers = |tiers: &[(&str, TierShare)]| CodeRoute {
        tiers: tiers.iter().map(|(name, share)| ((*name).to_owned(), share.clone())).collect(),
        ..CodeRoute::new("/a", quotas("10/minute"))
    };
    let scale = TierShare::Scale;
    let own = |texts| TierShare::Quotas(quotas(texts));
    let base = |texts| CodeRoute::new("/a", quotas(texts));
    let tier = |name: &str, route| CodeRoute { tier: Some(name.to_owned()), ..route };
    let at_most = |items, route| CodeRoute { most_items: NonZeroU64::new(items), ..route };
    let inputs = CodeMeter::Items("/inputs".parse().unwrap());
    let rows = [
        (CodeRoute::new("/a", []), "a limit of no quota; give one, such as \"10/minute\""),
        (
            named("a b", "1/minute"),
            "`a b` is not a valid name of a limit; use 1 to 64 letters, digits, `_` and `-`",
        ),
        (named("unknown_api-keys", "1/minute"), "another limit is called `unknown_api-keys`; "),
        (CodeRoute { weight: 0, ..base("9/minute") }, "a weight cannot be 0; "),
        (
            CodeRoute { weight: 10, ..base("9/minute") },
            "no request could ever pass `a_9_per_minute`: each costs 10; give a smaller weight, or",
        ),
        (base("10 tokens/minute"), "nothing counts the tokens of `10 tokens/minute`; give the cost"),
        (
            at_most(4, base("9/minute")),
            "at most 4 items, and nothing counts the items of a request; give the place",
        ),
        (
            at_most(4, CodeRoute { meter: CodeMeter::Given, ..base("9 items/minute") }),
            "at most 4 items, and nothing counts the items of a request; give the place",
        ),
        (
            at_most(4, CodeRoute { meter: inputs.clone(), ..base("9/minute; 9 tokens/minute") }),
            "at most 4 items, and the cost counts tokens; limit the items by a route of their own",
        ),
        (tier("gold", base("1/minute")), "no tier is called `gold`; the tiers are free, premium"),
        (tier("premum", base("1/minute")), "no tier is called `premum`; did you mean `premium`?"),
        (tier("premium", tiers(&[("a", scale(1.0))])), "no tier is called `premium`; the tiers are a"),
        (tiers(&[("a", scale(0.0))]), "a tier cannot scale limits by 0; give a number above 0"),
        (tiers(&[("a", scale(f64::NAN))]), "a tier cannot scale limits by NaN; "),
        (tiers(&[("a", scale(1.0)), ("a", scale(2.0))]), "the tier `a` appears twice"),
        (tiers(&[("a|b", scale(1.0))]), "`a|b` is not a valid name of a tier; "),
        (tiers(&[("a", own("1/minute; 2/hour"))]), "the tier `a` has 2 quotas, not 1; give one for each"),
        (tiers(&[("a", own("1 items/minute"))]), "`a_10_per_minute` counts requests, not items; "),
        (
            CodeRoute { weight: 3, ..tiers(&[("a", scale(1.0)), ("b", scale(0.2))]) },
            "no request could ever pass `a_10_per_minute`: each costs 3; ",
        ),
    ];
    let policy = parse(
        "[identity]\napi_keys = 'k.toml'\ndefault_tier = 'free'\n[tiers.free]\n[tiers.premium]\nscale = 5",
    );
    for (route, begins) in rows {
        let error = policy.with_route(route).expect_err(begins).to_string();
        assert!(error.starts_with(begins), "{error}");
    }
    let needs = tier("gold", base("1/minute"));
    assert!(
        error(&parse(""), needs).starts_with("no tier is called `gold`; there are none: add [tiers.gold]")
    );
}

#[test]
fn a_quota_that_the_store_or_a_scale_cannot_hold_is_an_error() {
    let memcached = parse("[store]\nurl = 'memcached://cache'");
    let slots = CodeRoute::new("/a", quotas("2 concurrent"));
    assert!(error(&memcached, slots.clone()).starts_with("Memcached keeps no leases"));
    assert!(parse("").with_route(slots).is_ok());

    let log = "100/minute".parse::<Quota>().and_then(|it| it.with_algorithm(Algorithm::SlidingLog)).unwrap();
    let tiers = vec![("a".to_owned(), TierShare::Scale(1.0)), ("b".to_owned(), TierShare::Scale(2.0))];
    let told = error(&parse(""), CodeRoute { tiers, ..CodeRoute::new("/a", [log]) });
    assert_eq!(
        told,
        "`100/minute` cannot be scaled for the tier `b`: sliding-log keeps at most 128 units; give the tier `b` a quota of its own"
    );
}

#[test]
fn each_quota_may_have_a_name_of_its_own() {
    let of = |given: &[&str]| {
        let given = given.iter().map(|name| (*name).to_owned()).collect();
        CodeRoute { names: given, ..CodeRoute::new("/a", quotas("1/minute; 2/hour; 3/day")) }
    };
    assert_eq!(names(&parse(""), of(&["rpm", "rph", "rpd"])), ["rpm", "rph", "rpd"]);
    assert_eq!(names(&parse(""), of(&["rpm", "rph"])), ["rpm", "rph", "rpm_2"]);
    assert!(error(&parse(""), of(&["rpm", "r|h"])).starts_with("`r|h` is not a valid name of a limit"));
    assert!(error(&parse(""), of(&["rpm", "rpm"])).contains("`rpm`"));
}

#[test]
fn a_weight_is_no_cost_where_a_meter_gives_one() {
    let route = CodeRoute { weight: 50, meter: CodeMeter::Given, ..CodeRoute::new("/a", quotas("9/minute")) };
    assert!(parse("").with_route(route.clone()).is_ok());
    let both = CodeRoute { quotas: quotas("9/minute; 9 items/minute"), ..route };
    assert!(error(&parse(""), both).contains("each costs 50"));
}

#[test]
fn no_more_limits_and_tiers_than_in_the_file() {
    let many: Vec<Quota> = (1..=65).map(|amount| format!("{amount}/minute").parse().unwrap()).collect();
    assert!(error(&parse(""), CodeRoute::new("/a", many)).starts_with("more than 64 limits"));
    let tiers = (0..33).map(|tier| (format!("t{tier}"), TierShare::Scale(1.0))).collect();
    let route = CodeRoute { tiers, ..CodeRoute::new("/a", quotas("1/minute")) };
    assert!(error(&parse(""), route).starts_with("more than 32 tiers"));
}

#[test]
fn a_policy_of_one_route_can_be_given_another() {
    let first = parse("").with_route(CodeRoute::new("/a", quotas("1/minute"))).unwrap();
    let second = first.with_route(CodeRoute::new("/b", quotas("1/minute"))).unwrap();
    assert_eq!(second.limits.len(), 1);
    assert_eq!(second.limits[0].name(), "b_1_per_minute");
}

fn parse(text: &str) -> Policy {
    let policy = Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source));
    policy.expect("the tests' own policies are right")
}

fn quotas(texts: &str) -> Vec<Quota> {
    Quota::parse_list(texts).expect("the tests' own quotas are right")
}

fn named(name: &str, texts: &str) -> CodeRoute {
    CodeRoute { names: vec![name.to_owned()], ..CodeRoute::new("/a", quotas(texts)) }
}

fn names(policy: &Policy, route: CodeRoute) -> Vec<String> {
    let ours = policy.with_route(route).expect("the tests' own routes are right");
    let route = ours.routes.get(ours.routes.unmatched());
    route.limits().iter().map(|id| ours.limit(*id).name().to_owned()).collect()
}

fn error(policy: &Policy, route: CodeRoute) -> String {
    policy.with_route(route).expect_err("it is no route of this policy").to_string()
}
