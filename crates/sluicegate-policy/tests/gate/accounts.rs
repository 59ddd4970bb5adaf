//! Looking at the accounts of a caller, and resetting them.

use sluicegate::{Cost, Limiter};
use sluicegate_policy::{ApiKeys, KeyFile, LimitAccount, Secret, UtcTime};

use crate::site::{Ask, Site, Store, now};

const POLICY: &str = r#"
    [tiers.free]
    [tiers.premium]
    scale = 5

    [identity]
    api_keys     = "keys.toml"
    tier         = "header:x-user-tier"
    default_tier = "free"

    [limits.all]
    quota = "1000/day"
    key   = "global"

    [[route]]
    path   = "/models/{model}"
    limits = [
      "all",
      { name = "ip",     quota = "10/day" },
      { name = "key",    quota = "10/day", key = "api_key" },
      { name = "both",   quota = "10/day", key = ["api_key", "route"] },
      { name = "tenant", quota = "10/day", key = "tenant" },
      { name = "tier",   quota = "10/day", key = "tier" },
      { name = "model",  quota = "10/day", key = ["path:model", "method"] },
      { name = "header", quota = "10/day", key = "header:x-user" },
      { name = "odd",    quota = "10/day", key = ["query:a|b c%", "cookie:é", "client_ip"] },
      { name = "slots",  quota = "3 concurrent" },
    ]
"#;

/// Every account that a request is charged on can be found by the key in the log, with its current balance.
#[test]
fn every_account_that_a_request_is_charged_on_is_found_by_its_key() {
    let (site, secret) = site();
    let with_key = || ask().header("x-api-key", secret.as_str());
    for ask in [
        ask(),
        ask().from("2001:db8::7"),
        with_key(),
        with_key().header("x-user", "alice|%=b o").header("cookie", "é=1"),
        ask().header("x-user", "client_ip=192.0.2.9").header("x-user-tier", "premium"),
    ] {
        let pass = site.send(&ask).passed();
        assert_eq!(pass.charges().len(), 10);
        for ((charge, balance), limit) in pass.charges().iter().zip(pass.balances()).zip(pass.limits()) {
            let found = site.gate.accounts(charge.key.as_str(), None);
            let [account] = &found[..] else { panic!("{} is {}", charge.key, keys(&found).join(", ")) };
            assert_eq!((account.key(), account.limit()), (&charge.key, *limit));
            assert!(account.tiers().contains(&pass.tier()), "{account:?}");
            assert_eq!(now(site.gate.balances(&found)).unwrap()[0], *balance, "{charge:?}");
            let rest = charge.key.as_str().split_once('|').map_or("global", |(_, rest)| rest);
            let found = site.gate.accounts(rest, Some(*limit));
            assert!(found.iter().any(|account| *account.key() == charge.key), "{rest} of {}", charge.key);
        }
    }
}

#[test]
fn a_caller_is_found_in_every_limit_that_may_know_it_and_in_no_other() {
    let (site, _) = site();
    let found = |key: &str| keys(&site.gate.accounts(key, None));
    let of_an_address = found("client_ip=192.0.2.1");
    let expected = [
        "unknown_api_keys",
        "ip:free",
        "ip:premium",
        "key:free",
        "key:premium",
        "tenant:free",
        "tenant:premium",
        "header:free",
        "header:premium",
        "slots:free",
        "slots:premium",
    ];
    let expected = expected.map(|name| format!("{name}|client_ip=192.0.2.1"));
    assert_eq!(of_an_address, expected);
    assert_eq!(found("tenant=acme"), ["tenant:free|tenant=acme", "tenant:premium|tenant=acme"]);
    let compound = "tenant=acme|api_key=k1|route=/models/{model}";
    assert_eq!(found(compound), ["both:free", "both:premium"].map(|name| format!("{name}|{compound}")));
    assert_eq!(found("path:model=iris|method=GET"), ["model|path:model=iris|method=GET"]);
    assert_eq!(found("global"), ["all"]);
    assert_eq!(found("ip:premium|client_ip=192.0.2.1"), ["ip:premium|client_ip=192.0.2.1"]);
    for nobodys in [
        "",
        "|",
        "ip",
        "all|client_ip=192.0.2.1",
        "ip|client_ip=192.0.2.1",
        "tenant=acme|method=GET",
        "tenant=acme|client_ip=192.0.2.1",
        "192.0.2.1",
        "client_ip",
        "ALL",
    ] {
        assert_eq!(found(nobodys), [""; 0], "{nobodys}");
    }
}

#[test]
fn an_account_is_told_once_for_each_quota_that_tiers_have_on_it() {
    let text = "[tiers.a]\n[tiers.b]\n[tiers.c]\nlimits.all = \"5/day\"\n[identity]\ndefault_tier = \"a\"\n\
                [limits.all]\nquota = \"9/day\"\nkey = \"global\"\n[defaults]\nlimits = [\"all\"]";
    let site = Site::new(text);
    site.pass(1, &Ask::get("/"));
    let accounts = site.gate.accounts("all", None);
    let tiers: Vec<_> = accounts.iter().map(|account| account.tiers().len()).collect();
    assert_eq!((keys(&accounts), tiers), (vec!["all".to_owned(), "all".to_owned()], vec![2, 1]));
    let remaining: Vec<_> =
        now(site.gate.balances(&accounts)).unwrap().iter().map(|it| it.remaining).collect();
    assert_eq!(remaining[0], 8);
    assert!(remaining[1] < 5, "{remaining:?}");
}

#[test]
fn looking_makes_no_account_and_spends_nothing() {
    let (site, _) = site();
    for number in 0..100 {
        let accounts = site.gate.accounts(&format!("client_ip=192.0.2.{number}"), None);
        now(site.gate.balances(&accounts)).unwrap();
    }
    assert_eq!(site.gate.store().len(), 0);
    let pass = site.send(&ask()).passed();
    let accounts = site.gate.accounts("slots:free|client_ip=192.0.2.1", None);
    let before = now(site.gate.balances(&accounts)).unwrap();
    assert_eq!((before[0].remaining, now(site.gate.balances(&accounts)).unwrap()), (2, before));
    drop(pass);
    assert_eq!(now(site.gate.balances(&accounts)).unwrap()[0].remaining, 3, "looking held no slot");
}

#[test]
fn a_debt_shows_in_how_long_it_takes_to_earn_it_back() {
    let site = Site::with_limits("[{ name = 'rpm', quota = '60/minute' }]");
    let rpm = site.gate.policy().find_limit("rpm").unwrap();
    let given = site.gate.charge(rpm, "alice", site.gate.policy().tiers.default_tier(), Cost::new(60));
    let limiter = Limiter::<Store>::new(site.gate.store().clone());
    let permit = now(limiter.take(&[given])).unwrap().allowed().unwrap();
    now(permit.settle(&[Cost::new(90)])).unwrap();
    let accounts = site.gate.accounts("key=alice", None);
    let balance = now(site.gate.balances(&accounts)).unwrap()[0];
    assert_eq!((balance.remaining, balance.next_after.as_secs(), balance.reset_after.as_secs()), (0, 31, 90));
}

#[test]
fn what_is_reset_is_as_if_it_had_never_been_used_and_nothing_else_is() {
    let site = Site::with_limits(
        "[{ name = 'a', quota = '2/day' }, { name = 'b', quota = '2/day', mode = 'shadow' }]",
    );
    let ask = Ask::post("/");
    for spent in [&ask, &ask.clone().from("192.0.2.2")] {
        site.pass(2, spent);
        assert_eq!(site.send(spent).status(), 429);
    }
    let accounts = site.gate.accounts("client_ip=192.0.2.1", None);
    assert_eq!(accounts.len(), 2, "that of the shadow limit, too");
    now(site.gate.reset(&accounts)).unwrap();
    let left: Vec<_> = now(site.gate.balances(&accounts)).unwrap().iter().map(|it| it.remaining).collect();
    assert_eq!(left, [2, 2]);
    site.pass(2, &ask);
    assert_eq!(site.send(&ask.from("192.0.2.2")).status(), 429);
}

#[test]
fn while_the_upstream_warms_up_balances_are_of_the_smaller_quotas() {
    let text = "[warmup]\nready = '/health'\nscale = 0.2\n[identity]\napi_keys = 'k'\nfailures = '10/day'\n\
                [defaults]\nlimits = [{ name = 'a', quota = '10/day' }]";
    let site = Site::new(text);
    let accounts = site.gate.accounts("client_ip=192.0.2.1", None);
    let left: Vec<_> = now(site.gate.balances(&accounts)).unwrap().iter().map(|it| it.remaining).collect();
    assert_eq!(left, [10, 2], "but for the limit on wrong API keys");
}

fn ask() -> Ask {
    Ask::get("/models/iris?a%7Cb+c%25=1")
}

fn site() -> (Site, Secret) {
    let site = Site::new(POLICY);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let secret = KeyFile::at(&path).add("acme", None, UtcTime::from_unix(1_795_262_400)).unwrap();
    site.gate.replace_api_keys(ApiKeys::load(&path).unwrap());
    (site, secret)
}

fn keys(accounts: &[LimitAccount]) -> Vec<String> {
    accounts.iter().map(|account| account.key().to_string()).collect()
}
