//! The accounts that use most of each limit.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use sluicegate_http::{AccountUse, DenialLog, Metering, Told};
use sluicegate_policy::LogKeys;

use crate::site::{Site, post};

#[test]
fn accounts_are_counted_from_when_somebody_watches_to_an_hour_later() {
    let site = site(BY_USER);
    ask(&site, "before", 1);
    assert_eq!(site.admission.watch_accounts().expect("they are counted").accounts, []);

    ask(&site, "jo", 3);
    site.clock.advance(Duration::from_secs(1800));
    assert_eq!(uses(&site), [("rpm|header:x-user=jo".to_owned(), 2, 1)]);

    site.clock.advance(Duration::from_secs(3599));
    ask(&site, "jo", 1);
    assert_eq!(uses(&site)[0].1, 3, "within an hour");
    site.clock.advance(Duration::from_secs(3600));
    ask(&site, "jo", 1);
    assert_eq!(uses(&site), [], "they are counted anew");
}

#[test]
fn nothing_is_counted_without_a_watcher_or_a_log() {
    let site = Site::new(BY_USER);
    ask(&site, "jo", 3);
    assert!(site.admission.watch_accounts().is_none());
}

#[test]
fn attempts_that_are_denied_come_on_top_of_what_is_spent() {
    let site = site(BY_USER);
    site.admission.watch_accounts();
    ask(&site, "jo", 5);
    let [account] = &site.admission.watch_accounts().expect("they are counted").accounts[..] else {
        panic!("one account")
    };
    assert!((account.used - 1.0).abs() < 1e-9 && (account.denied - 1.5).abs() < 1e-9, "{account:?}");
}

#[test]
fn a_limit_in_shadow_mode_counts_what_it_would_have_denied() {
    let site = site(&BY_USER.replace("key =", "mode = \"shadow\", key ="));
    site.admission.watch_accounts();
    ask(&site, "jo", 5);
    assert_eq!(uses(&site), [("rpm|header:x-user=jo".to_owned(), 2, 3)]);
}

#[test]
fn a_flood_of_keys_does_not_hide_who_asks_most() {
    let site = site(BY_USER);
    site.admission.watch_accounts();
    for user in 0..1_000 {
        ask(&site, &format!("user-{user}"), 1);
        ask(&site, "jo", 1);
    }
    let listed = uses(&site);
    assert_eq!(listed.len(), 32);
    assert!(listed.iter().any(|(key, ..)| key == "rpm|header:x-user=jo"), "{listed:?}");
}

#[test]
fn tokens_are_spent_as_they_are_settled() {
    let site = site(
        "[[route]]\npath = \"/\"\nmeter = \"openai\"\nlimits = [{ name = \"tpm\", quota = \"1000 tokens/day\" }]",
    );
    site.admission.watch_accounts();
    let body =
        Bytes::from_static(b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":500}");
    let read = |reading: &mut sluicegate_policy::Reading| reading.take(body).and_then(|_| reading.end());
    let pass = site.send(&post("/"), read).expect("it is the first").pass;
    assert!(spent(&site) > 500, "the reservation");
    let told = Told::Tokens { input: Some(12), output: Some(30) };
    site.admission
        .settle_told(pass, Metering::default(), None, told, |_| panic!("memory never waits"))
        .expect("memory never fails");
    assert_eq!(spent(&site), 42);
    assert!(site.tells("sluicegate_charged_tokens_total{route=\"/\"} 42"));
}

fn site(policy: &str) -> Site {
    let mut site = Site::new(policy);
    site.admission = site.admission.with_accounts(DenialLog::new(LogKeys::Plain));
    site
}

fn ask(site: &Site, user: &str, times: usize) {
    let mut head = post("/");
    head.headers.insert("x-user", HeaderValue::from_str(user).expect("a word"));
    for _ in 0..times {
        // A denial is counted, too.
        let _ = site.send(&head, |_| Ok(()));
    }
}

/// The keys of listed accounts, with what they have spent and their denials.
fn uses(site: &Site) -> Vec<(String, u64, u64)> {
    let accounts = site.admission.watch_accounts().expect("they are counted").accounts;
    accounts.into_iter().map(|AccountUse { key, spent, denials, .. }| (key, spent, denials)).collect()
}

fn spent(site: &Site) -> u64 {
    site.admission.watch_accounts().expect("they are counted").accounts[0].spent
}

const BY_USER: &str =
    "[[route]]\npath = \"/\"\nlimits = [{ name = \"rpm\", quota = \"2/minute\", key = \"header:x-user\" }]";
