//! Items found in Memcached.

use std::{collections::BTreeSet, time::Duration};

use sluicegate::{Algorithm, Charge, Quota};
use sluicegate_test_servers::MemcachedServer;

use crate::{
    server::{dump, eventually, lives, names},
    stores::{KEPT, admit, ask, daily, open, patient, remaining, take},
};

#[test]
fn names_tell_nobody_whose_account_it_is_unless_they_are_to_be_read() {
    let server = MemcachedServer::start();
    let charge = Charge::new("rpm|alice smith", daily(3, Algorithm::TokenBucket));
    let named = |store| {
        server.flush_all();
        admit(&open(store), &charge);
        names(&server, 1).remove(0)
    };
    let plain = named(patient(&server.url()));
    let hash = plain.strip_prefix("sluicegate:1:").expect("the prefix");
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{plain}");
    assert_eq!(named(patient(&server.url()).prefix("shop")), format!("shop:1:{hash}"));
    let keyed = named(patient(&server.url()).secret(b"sixteen bytes or"));
    assert!(keyed != plain && !keyed.contains("alice"), "{keyed}");
    assert_eq!(named(patient(&server.url()).readable_keys(true)), "sluicegate:1:t:rpm|alice%20smith");
}

#[test]
fn keys_of_any_length_and_kind_have_accounts_of_their_own() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()).readable_keys(true));
    let keys =
        ["".to_owned(), "\r\nflush_all\r\n".to_owned(), "ключ".repeat(20), "x".repeat(235), "x".repeat(236)];
    for key in &keys {
        for algorithm in KEPT {
            let charge = Charge::new(key, daily(9, algorithm));
            assert_eq!(admit(&store, &charge).balances[0].remaining, 8, "{charge:?}");
        }
    }
    let all = names(&server, keys.len() * KEPT.len());
    assert!(all.iter().all(|name| name.len() <= 250), "{all:?}");
    let clear = |name: &&String| name.ends_with(&"x".repeat(100));
    assert_eq!(all.iter().filter(clear).count(), KEPT.len(), "a name that is too long shows the hash");
}

#[test]
fn an_item_expires_when_its_account_is_idle_and_no_sooner() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()).readable_keys(true));
    let quota = |algorithm| {
        Quota::new(60, Duration::from_secs(60))
            .and_then(|quota| quota.with_algorithm(algorithm))
            .expect("a quota")
    };
    // A bucket is full after 30 s, and a sliding window's counts fade for another window.
    for (algorithm, seconds) in KEPT.into_iter().zip([30, 60, 120, 60]) {
        let charge = Charge::new("alice", quota(algorithm)).cost(30);
        let reset = admit(&store, &charge).balances[0].reset_after;
        assert!(
            reset <= Duration::from_secs(seconds) && reset > Duration::from_secs(seconds - 1),
            "{reset:?}"
        );
        let letter = algorithm.to_string().replace("sliding-log", "g").remove(0);
        let left = lives(&server, &format!("sluicegate:1:{letter}:alice"));
        assert!(
            (seconds..=seconds + 2).contains(&left),
            "{algorithm} is kept for {left} s, and {reset:?} is right"
        );
    }
}

#[test]
fn what_somebody_else_keeps_under_a_name_is_told_and_left_alone() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()).readable_keys(true));
    server.command("ms sluicegate:1:t:alice 5 T0\r\nhello");
    let [alice, bob] = ["alice", "bob"].map(|key| Charge::new(key, daily(3, Algorithm::TokenBucket)));
    let error = take(&store, &[bob.clone(), alice]).expect_err("it is no account");
    assert!(error.is_misconfiguration() && error.to_string().contains("sluicegate:1:t:alice"), "{error}");
    assert_eq!(remaining(&store, &bob), 3);
    assert_eq!(server.command("mg sluicegate:1:t:alice v"), ["VA 5", "hello"]);
}

#[test]
fn the_accounts_of_one_tenant_are_on_one_server() {
    let servers = [MemcachedServer::start(), MemcachedServer::start()];
    let url = format!("{},127.0.0.1:{}", servers[0].url(), servers[1].port());
    let store = open(patient(&url).readable_keys(true));
    for tenant in 0..40 {
        let keys = [format!("rpm|{tenant}"), format!("tpm|{tenant}"), format!("route|{tenant}|/chat")];
        let charges = keys.map(|key| Charge::new(key, daily(9, Algorithm::TokenBucket)));
        assert!(take(&store, &charges).expect("an answer").is_allowed());
    }
    let mut dumps = [Vec::new(), Vec::new()];
    let is_complete = || {
        dumps = servers.each_ref().map(dump);
        dumps.concat().len() == 120
    };
    eventually(is_complete, "all accounts are listed");
    for names in dumps {
        let tenants_of = |limit: &str| {
            let limit = format!("sluicegate:1:t:{limit}|");
            let tenant = |name: &String| Some(name.strip_prefix(&limit)?.split('|').next()?.to_owned());
            names.iter().filter_map(tenant).collect::<BTreeSet<_>>()
        };
        let tenants = tenants_of("rpm");
        assert!((1..40).contains(&tenants.len()), "{tenants:?}");
        assert_eq!([tenants_of("tpm"), tenants_of("route")], [tenants.clone(), tenants]);
    }
}

#[test]
fn accounts_are_spread_over_servers_and_stay_when_one_is_added() {
    let servers = [MemcachedServer::start(), MemcachedServer::start(), MemcachedServer::start()];
    let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    let charges: Vec<_> =
        (0..300).map(|key| Charge::new(format!("{key}"), daily(1, Algorithm::FixedWindow))).collect();
    let admitted = |url: &str| {
        let store = open(patient(url));
        charges.iter().filter(|charge| ask(&store, charge).expect("an answer").is_allowed()).count()
    };
    assert_eq!(admitted(&format!("memcached://{},{}", hosts[0], hosts[1])), 300);
    assert_eq!(admitted(&format!("memcached://{},{}", hosts[1], hosts[0])), 0, "in whatever order");
    // What the new one keeps begins anew, and nothing else.
    let moved = admitted(&format!("memcached://{}", hosts.join(",")));
    names(&servers[2], moved);
    assert!((60..=140).contains(&moved), "{moved} of 300 moved to the third");
}
