//! The fields of denials in logs.

use sluicegate_http::DenialLog;
use sluicegate_policy::{LogKeys, Rejection};

use crate::site::{Site, post};

#[test]
fn a_denial_is_told_by_its_route_limit_key_and_wait() {
    let site = Site::new("[[route]]\npath = \"/a\"\nlimits = [{ name = \"one\", quota = \"1/minute\" }]");
    assert!(site.send(&post("/a"), |_| Ok(())).is_ok());
    let Err(Rejection::Denied(denied)) = site.send(&post("/a"), |_| Ok(())) else { panic!("one a minute") };
    let policy = site.admission.gate().policy();
    let plain = DenialLog::new(LogKeys::Plain);
    let fields = plain.fields(policy, &denied);
    assert_eq!((fields.route, fields.limit, fields.retry_after), ("/a", "one", Some(60)));
    assert_eq!(fields.key, "one|client_ip=127.0.0.1");
    let hashed = plain.with_keys(LogKeys::Hashed);
    assert!(!hashed.written(denied.key()).contains("127.0.0.1"));
    assert_eq!(hashed.written(denied.key()), hashed.with_keys(LogKeys::Hashed).written(denied.key()));
}

#[test]
fn a_wait_that_never_ends_is_not_told() {
    let site = Site::new("[[route]]\npath = \"/a\"\nlimits = [\"0/minute\"]");
    let Err(Rejection::Denied(denied)) = site.send(&post("/a"), |_| Ok(())) else { panic!("none a minute") };
    assert_eq!(denied.retry_after(), None);
}

#[test]
fn the_most_denied_keys_are_told_as_the_log_writes_them_whatever_is_reloaded() {
    let site = Site::new("[[route]]\npath = \"/a\"\nlimits = [{ name = \"none\", quota = \"0/minute\" }]");
    let Err(Rejection::Denied(denied)) = site.send(&post("/a"), |_| Ok(())) else { panic!("none a minute") };
    let policy = site.admission.gate().policy();
    let log = DenialLog::new(LogKeys::Plain);
    log.count(policy, &denied);
    log.with_keys(LogKeys::Plain).count(policy, &denied);
    let listed = log.most_denied();
    let [key] = listed.as_slice() else { panic!("one key: {listed:?}") };
    assert_eq!((key.limit.as_str(), key.key.as_str(), key.denials), ("none", "none|client_ip=127.0.0.1", 2));

    let hashed = log.with_keys(LogKeys::Hashed);
    assert_eq!(hashed.most_denied(), [], "no key in plain text is left");
    hashed.count(policy, &denied);
    assert_eq!(hashed.most_denied()[0].key, hashed.written(denied.key()));
}
