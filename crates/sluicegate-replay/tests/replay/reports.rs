//! Reports: what they tell of a policy, and of what a log does not hold.

use crate::desk::{Desk, limit, replay};

/// Lines of nginx's log, one each so many seconds, from these clients.
fn access_log(clients: &[&str], seconds: u64) -> String {
    let line = |(place, client): (u64, &&str)| {
        let time = place * seconds;
        format!(
            "{client} - - [30/Nov/2026:18:{:02}:{:02} +0000] \"POST /predict HTTP/1.1\" 200 3 \"-\" \"-\"\n",
            time / 60,
            time % 60
        )
    };
    (0..).zip(clients).map(line).collect()
}

fn predict(limits: &str) -> String {
    format!("[[route]]\npath = \"/predict\"\nmeter = {{ items = \"/inputs\" }}\nlimits = [{limits}]")
}

#[test]
fn a_limit_tells_its_denials_its_waits_and_whom_it_hits() {
    let log = access_log(&["a", "b", "a", "a", "a", "b"], 10);
    let report = Desk::with("access.log", log).replay(&predict("{ name = \"rpm\", quota = \"1/minute\" }"));
    let rpm = limit(&report, "rpm");
    assert_eq!((&rpm["judged"], &rpm["denied"]), (&6.into(), &4.into()));
    assert_eq!(rpm["longest_wait"], 40.0, "20 s after the first request of its minute");
    let most = &rpm["most_denied"];
    assert_eq!((&most[0]["key"], &most[0]["denied"]), (&"client_ip=a".into(), &3.into()));
    assert_eq!((&most[1]["key"], &most[1]["denied"]), (&"client_ip=b".into(), &1.into()));
    assert_eq!(report["routes"][0]["denied"], 4);
    assert_eq!(report["requests"]["denied_share"], 4.0 / 6.0);
}

#[test]
fn a_limit_in_shadow_mode_tells_what_it_would_deny() {
    let log = access_log(&["a", "a"], 1);
    let report = Desk::with("access.log", log)
        .replay(&predict("{ name = \"rpm\", quota = \"1/minute\", mode = \"shadow\" }"));
    assert_eq!(report["requests"]["denied"], 0);
    assert_eq!(limit(&report, "rpm")["denied"], 1);
}

#[test]
fn limits_that_the_log_has_no_numbers_for_judge_nothing_and_are_named() {
    let log = access_log(&["a", "a", "a"], 1);
    let limits = r#"{ name = "items", quota = "1 items/minute" }, { name = "slots", quota = "1 concurrent" },
        { name = "rpm", quota = "2/minute", key = "api_key" }"#;
    let report = Desk::with("access.log", log).replay_by(replay(&predict(limits)));
    let (json, text) = (report.to_json(), report.to_string());
    assert_eq!(
        (&limit(&json, "items")["judged"], &limit(&json, "items")["unjudged"]),
        (&0.into(), &3.into())
    );
    assert_eq!(limit(&json, "slots")["unjudged"], 3);
    assert_eq!(limit(&json, "rpm")["denied"], 1, "limits that can judge still do");
    for note in [
        "items could not judge 3 requests: the log does not tell their items",
        "slots could not judge 3 requests: the log does not tell how long they ran",
        "rpm: no request has api_key in the log: client_ip replaces it",
    ] {
        assert!(text.contains(note), "{note}\n{text}");
    }
}

#[test]
fn slots_are_held_for_the_time_that_a_request_took() {
    let line = |second: u64, taken: &str| {
        format!("a [30/Nov/2026:18:00:{second:02} +0000] \"GET /predict HTTP/1.1\" {taken}\n")
    };
    // Written at the end: the long request began before both others, of which the second begins after its end.
    let log = [line(3, "1.0"), line(9, "9.0"), line(12, "2.5")].concat();
    let replay = replay(&predict("{ name = \"slots\", quota = \"1 concurrent\" }"))
        .format("$remote_addr [$time_local] \"$request\" $request_time".parse().unwrap());
    let report = Desk::with("access.log", log).replay_by(replay).to_json();
    assert_eq!(
        (&limit(&report, "slots")["judged"], &limit(&report, "slots")["denied"]),
        (&3.into(), &1.into())
    );
}

#[test]
fn the_quota_for_a_wanted_share_of_denials_is_the_smallest_that_does() {
    // Twelve requests a minute of one client, evenly.
    let log = access_log(&["a"; 120], 5);
    let limits = r#"{ name = "rpm", quota = "3/minute", algorithm = "fixed-window" }"#;
    let desk = Desk::with("access.log", log);
    let report = desk.replay_by(replay(&predict(limits)).denials(0.0));
    let rpm = &report.to_json()["limits"][0];
    assert_eq!(rpm["needed"]["quota"], "12/minute", "{rpm:#}");
    let half = desk.replay_by(replay(&predict(limits)).denials(0.5)).to_json();
    assert_eq!(half["limits"][0]["needed"]["quota"], "6/minute");
    let tried = rpm["needed"]["tried"].as_array().unwrap();
    assert!(
        tried.windows(2).all(|pair| pair[0]["amount"].as_u64() < pair[1]["amount"].as_u64()),
        "{tried:?}"
    );
}

#[test]
fn a_quota_that_cannot_grow_is_said_to_be_none() {
    let log = access_log(&["a"; 200], 0);
    let limits = r#"{ name = "log", quota = "100/minute", algorithm = "sliding-log" }"#;
    let report = Desk::with("access.log", log).replay_by(replay(&predict(limits)).denials(0.01));
    assert_eq!(report.to_json()["limits"][0]["needed"]["quota"], serde_json::Value::Null);
    assert!(report.to_string().contains("a sliding log holds at most 128"), "{report}");
}

#[test]
fn tokens_are_reserved_and_settled_by_the_terms_of_the_limit() {
    let csv = "time,input_tokens,output_tokens,duration\n2026-11-30T18:00:00Z,10,90,30\n2026-11-30T18:00:01Z,10,90,30\n2026-11-30T18:00:40Z,10,90,1\n";
    let report = |reserve| {
        let policy = format!(
            "[[route]]\npath = \"/v1/chat/completions\"\nmeter = \"openai\"\nlimits = [{{ name = \"tpm\", quota = \"100 tokens/hour\", key = \"global\", reserve = \"{reserve}\" }}]"
        );
        let replay = replay(&policy).request(http::Method::POST, "/v1/chat/completions".parse().unwrap());
        Desk::with("trace.csv", csv).replay_by(replay).to_json()
    };
    assert_eq!(limit(&report("full"), "tpm")["denied"], 2, "the first reserves all there is");
    assert_eq!(
        limit(&report("input"), "tpm")["denied"],
        1,
        "the third comes when both have paid for their output"
    );
}

#[test]
fn outcomes_that_the_log_tells_are_compared() {
    let line = |second: u64, status: u64| {
        format!(
            "a - - [30/Nov/2026:18:00:{second:02} +0000] \"POST /predict HTTP/1.1\" {status} 3 \"-\" \"-\"\n"
        )
    };
    let log = [line(0, 200), line(1, 200), line(2, 429), line(40, 429)].concat();
    let report = Desk::with("access.log", log).replay(&predict("{ name = \"rpm\", quota = \"2/minute\" }"));
    let change = &report["change"];
    assert_eq!(
        (&change["same"], &change["newly_admitted"], &change["newly_denied"]),
        (&3.into(), &1.into(), &0.into())
    );
}

#[test]
fn plots_are_well_formed_and_name_what_they_show() {
    let log = access_log(&["a", "a", "b"], 1);
    let limits = r#"{ name = "rpm", quota = "1/minute" }"#;
    let report = Desk::with("access.log", log).replay_by(replay(&predict(limits)).denials(0.0));
    let plots = report.plots();
    let names: Vec<_> = plots.iter().map(|plot| plot.name.as_str()).collect();
    assert_eq!(names, ["requests", "rpm", "rpm-quota"]);
    for plot in &plots {
        assert!(plot.svg.starts_with("<svg ") && plot.svg.ends_with("</svg>\n"), "{}", plot.svg);
        assert!(plot.svg.contains("prefers-color-scheme:dark"));
    }
    assert!(plots[1].svg.contains("rpm: 1/minute, 33.3 % denied"), "{}", plots[1].svg);
}

#[test]
fn a_log_of_many_days_has_a_bounded_timeline() {
    let line = |day: u64| {
        format!("a - - [{day:02}/Nov/2026:18:00:00 +0000] \"POST /predict HTTP/1.1\" 200 3 \"-\" \"-\"\n")
    };
    let log: String = (1..=30).map(line).collect();
    let report = Desk::with("access.log", log).replay(&predict("\"1/minute\""));
    let requests = report["timeline"]["requests"].as_array().unwrap();
    assert!(requests.len() <= 240, "{}", requests.len());
    assert_eq!(requests.iter().filter_map(serde_json::Value::as_u64).sum::<u64>(), 30);
}
