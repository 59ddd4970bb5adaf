//! A quota of 0: nothing passes, and nobody is told to wait.

use crate::site::{Ask, Site};

const ALGORITHMS: [&str; 4] = ["token-bucket", "fixed-window", "sliding-window", "sliding-log"];

#[test]
fn a_quota_of_0_lets_nothing_pass_under_any_algorithm() {
    let windows = ALGORITHMS.map(|algorithm| {
        (format!("[{{ name = 'a', quota = '0/minute', algorithm = '{algorithm}' }}]"), "0/minute")
    });
    let slots = ("[{ name = 'a', quota = '0 concurrent' }]".to_owned(), "0 concurrent");
    for (limits, quota) in windows.into_iter().chain([slots]) {
        let site = Site::with_limits(&limits);
        for _ in 0..3 {
            let denied = site.send(&Ask::post("/"));
            assert_eq!(denied.status(), 429, "{limits}");
            assert_eq!(
                denied.detail(),
                format!("Too Many Requests: the limit a ({quota}) lets nothing pass")
            );
            assert_eq!(denied.retry_after(), None, "{limits}");
            assert_eq!(denied.header("x-should-retry").as_deref(), Some("false"), "{limits}");
            site.wait(3_600);
        }
    }
}

#[test]
fn its_headers_are_valid_and_tell_of_nothing_left() {
    let families = "[responses]\nheaders = ['ietf', 'github', 'openai', 'anthropic', 'draft-06']\n";
    let site = Site::new(&format!(
        "{families}[[route]]\npath = '/'\nlimits = [{{ name = 'a', quota = '0/minute' }}]"
    ));
    let denied = site.send(&Ask::post("/"));
    assert_eq!(denied.list("ratelimit"), [("a".to_owned(), vec![("r".to_owned(), 0)])]);
    let policy = vec![("q".to_owned(), 0), ("w".to_owned(), 60)];
    assert_eq!(denied.list("ratelimit-policy"), [("a".to_owned(), policy)]);
    assert_eq!(denied.header("x-ratelimit-limit").as_deref(), Some("0"));
    assert_eq!(denied.header("x-ratelimit-remaining").as_deref(), Some("0"));
}

#[test]
fn what_it_denies_costs_the_other_limits_nothing() {
    let site =
        Site::with_limits("['1/minute', { name = 'closed', quota = '0/hour', key = 'header:x-closed' }]");
    assert_eq!(site.send(&Ask::post("/")).status(), 429);
    let open = Site::new("[[route]]\npath = '/'\nlimits = ['1/minute']");
    open.pass(1, &Ask::post("/"));
}

#[test]
fn a_tier_that_gets_none_is_shut_out_and_no_scale_or_warm_up_changes_that() {
    let site = Site::new(
        "[identity]\ntier = 'header:x-tier'\ndefault_tier = 'free'\n[gateway]\ntrusted_proxies = ['192.0.2.1']\n\
         [tiers.free]\nlimits = { calls = '0/minute' }\n[tiers.pro]\nscale = 2\n[warmup]\nready = '/health'\nscale = 0.5\n\
         [limits.calls]\nquota = '4/minute'\n[limits.closed]\nquota = '0/minute'\n\
         [[route]]\npath = '/'\nlimits = ['calls']\n[[route]]\npath = '/closed'\nweight = 3\nlimits = ['closed']",
    );
    let pro = Ask::post("/").header("x-tier", "pro");
    assert_eq!(site.send(&Ask::post("/")).status(), 429);
    site.pass(4, &pro);
    assert_eq!(site.send(&pro).status(), 429);
    assert_eq!(site.send(&Ask::post("/closed").header("x-tier", "pro")).status(), 429);
    site.gate.upstream_is_ready();
    assert_eq!(site.send(&Ask::post("/")).retry_after(), None);
}

#[test]
fn a_shadow_of_it_denies_nobody() {
    Site::with_limits("[{ quota = '0/minute', mode = 'shadow' }]").pass(3, &Ask::post("/"));
}

#[test]
fn what_takes_nothing_of_it_passes() {
    let site = Site::new("[[route]]\npath = '/'\nmeter = { items = '/inputs' }\nlimits = ['0 items/minute']");
    site.pass(2, &Ask::post("/").batch(0));
    assert_eq!(site.send(&Ask::post("/").batch(1)).status(), 429);
}
