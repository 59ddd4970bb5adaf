//! Lines that real servers wrote: nginx 1.22, Envoy 1.40 and Caddy 2.11.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use sluicegate_replay::LogFormat;

use crate::desk::{Desk, limit, replay};

const NGINX: &str = r#"192.0.2.7 - - [30/Nov/2026:18:50:17 +0000] "POST /v1/chat/completions?stream=1&user=ann%20b HTTP/1.1" 200 3 "-" "curl/7.88.1"
192.0.2.7 - - [30/Nov/2026:18:50:17 +0000] "GET /predict HTTP/1.1" 200 3 "-" "quote\x22and\x5Cback"
192.0.2.7 - bob [30/Nov/2026:18:50:18 +0000] "GET /b%C3%A4r HTTP/1.1" 200 3 "-" "curl/7.88.1"
"#;

const ENVOY: &str = r#"[2026-11-30T18:50:17.827Z] "POST /v1/chat/completions?stream=1&user=ann%20b HTTP/1.1" 200 - 7 3 15 14 "192.0.2.7" "curl/7.88.1" "03a77695-9701-4393-94bf-229263e3aca3" "127.0.0.1:18182" "127.0.0.1:18181"
[2026-11-30T18:50:17.875Z] "GET /predict HTTP/1.1" 200 - 0 3 1 1 "203.0.113.9,192.0.2.7" "quote"and\back" "95b33f6b-29ec-4870-ac97-d9af4af42c56" "127.0.0.1:18182" "127.0.0.1:18181"
[2026-11-30T18:50:17.908Z] "GET /b%C3%A4r HTTP/1.1" 200 - 0 3 3 2 "192.0.2.7" "curl/7.88.1" "697f98e0-f3c8-479e-aa36-4f3f490aa283" "127.0.0.1:18182" "127.0.0.1:18181"
"#;

const CADDY: &str = r#"{"level":"info","ts":1796064617.9495258,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"42294","client_ip":"192.0.2.7","proto":"HTTP/1.1","method":"POST","host":"127.0.0.1:18183","uri":"/v1/chat/completions?stream=1&user=ann%20b","headers":{"User-Agent":["curl/7.88.1"],"Accept":["*/*"],"X-User":["ann"],"Cookie":["REDACTED"],"Content-Length":["7"],"Content-Type":["application/x-www-form-urlencoded"]}},"bytes_read":7,"user_id":"","duration":0.001541394,"size":3,"status":200,"resp_headers":{"Server":["nginx/1.22.1"],"Date":["Mon, 30 Nov 2026 18:50:17 GMT"],"Via":["1.1 Caddy"],"Content-Type":["text/plain"],"Content-Length":["3"]}}
{"level":"info","ts":1796064617.9718964,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"42306","client_ip":"192.0.2.7","proto":"HTTP/1.1","method":"GET","host":"127.0.0.1:18183","uri":"/predict","headers":{"User-Agent":["quote\"and\\back"],"Accept":["*/*"],"X-Forwarded-For":["203.0.113.9"]}},"bytes_read":0,"user_id":"","duration":0.000492125,"size":3,"status":200,"resp_headers":{"Via":["1.1 Caddy"],"Server":["nginx/1.22.1"],"Date":["Mon, 30 Nov 2026 18:50:17 GMT"],"Content-Type":["text/plain"],"Content-Length":["3"]}}
{"level":"info","ts":1796064617.9804487,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"42314","client_ip":"192.0.2.7","proto":"HTTP/1.1","method":"GET","host":"127.0.0.1:18183","uri":"/b%C3%A4r","headers":{"Authorization":["REDACTED"],"User-Agent":["curl/7.88.1"],"Accept":["*/*"]}},"bytes_read":0,"user_id":"","duration":0.000327021,"size":3,"status":200,"resp_headers":{"Via":["1.1 Caddy"],"Date":["Mon, 30 Nov 2026 18:50:17 GMT"],"Content-Type":["text/plain"],"Content-Length":["3"],"Server":["nginx/1.22.1"]}}
"#;

/// Two of the three requests of each log are denied.
const ONE_A_MINUTE: &str = "[defaults]\nlimits = [{ name = \"all\", quota = \"1/minute\" }]";

#[test]
fn the_format_of_a_file_is_found_out() {
    for (name, text) in [("access.log", NGINX), ("envoy.log", ENVOY), ("caddy.log", CADDY)] {
        let report = Desk::with(name, text).replay(ONE_A_MINUTE);
        assert_eq!(report["log"]["unreadable"], 0, "{name}: {report:#}");
        let all = limit(&report, "all");
        assert_eq!((&all["judged"], &all["denied"]), (&3.into(), &2.into()), "{name}");
        assert_eq!(all["most_denied"][0]["key"], "client_ip=192.0.2.7", "{name}");
    }
}

#[test]
fn methods_paths_and_queries_of_each_format_meet_their_routes() {
    let policy = r#"
        [[route]]
        path = "/v1/chat/completions"
        methods = ["POST"]
        limits = [{ name = "chat", quota = "0/minute", key = ["query:user", "query:stream"] }]
        [[route]]
        path = "/bär"
        limits = [{ name = "path", quota = "0/minute", key = "path" }]
    "#;
    for (name, text) in [("access.log", NGINX), ("envoy.log", ENVOY), ("caddy.log", CADDY)] {
        let report = Desk::with(name, text).replay(policy);
        assert_eq!(
            limit(&report, "chat")["most_denied"][0]["key"],
            "query:user=ann%20b|query:stream=1",
            "{name}"
        );
        assert_eq!(limit(&report, "path")["denied"], 1, "{name}");
    }
}

#[test]
fn forwarded_addresses_count_behind_trusted_proxies_only() {
    let trusting = format!("[gateway]\ntrusted_proxies = [\"192.0.2.0/24\"]\n{ONE_A_MINUTE}");
    for (name, text) in [("envoy.log", ENVOY), ("caddy.log", CADDY)] {
        let report = Desk::with(name, text).replay(&trusting);
        assert_eq!(
            limit(&report, "all")["denied"],
            1,
            "{name}: the second request comes from another client"
        );
    }
}

#[test]
fn headers_of_caddy_are_those_that_the_policy_asks_for_unless_they_are_hidden() {
    let policy = "[defaults]\nlimits = [{ name = \"user\", quota = \"0/minute\", key = [\"header:x-user\", \"cookie:session\"] }]";
    let report = Desk::with("caddy.log", CADDY).replay(policy);
    let user = limit(&report, "user");
    let keys: Vec<_> =
        user["most_denied"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["client_ip=192.0.2.7|client_ip=192.0.2.7", "header:x-user=ann|client_ip=192.0.2.7"]);
    assert_eq!(user["missing_keys"][0]["requests"], 2);
    assert_eq!(user["missing_keys"][1]["requests"], 3, "Caddy hides cookies");
}

#[test]
fn a_log_format_of_nginx_is_read_as_it_is_configured() {
    let format =
        r#"${remote_addr} $msec $request_method $request_uri $status $request_time "$http_x_user" $plan"#;
    let lines = "192.0.2.7 1796064617.250 POST /a?b=c 200 0.250 \"ann\" gold\n192.0.2.7 1796064618.000 POST /a 200 - \"-\" -\n";
    let policy = "[tiers.free]\n[tiers.gold]\nscale = 2\n[identity]\ndefault_tier = \"free\"
        [defaults]\nlimits = [{ name = \"user\", quota = \"1/day\", key = [\"header:x-user\", \"tier\"] }]";
    let replay =
        replay(policy).format(LogFormat::Template(format.to_owned())).field("tier".parse().unwrap(), "plan");
    let report = Desk::with("other.log", lines).replay_by(replay).to_json();
    assert_eq!(report["log"]["unreadable"], 0, "{report:#}");
    assert_eq!(
        report["from"], "2026-11-30T18:50:17Z",
        "the request began a quarter of a second before its line"
    );
    assert_eq!(limit(&report, "user")["missing_keys"][0]["requests"], 1);
}

#[test]
fn a_format_without_a_time_is_refused() {
    let format = LogFormat::Template("$remote_addr $request".to_owned());
    let error = Desk::with("other.log", "").error(replay("").format(format));
    assert!(error.contains("has no time") && error.contains("log_format"), "{error}");
}

#[test]
fn columns_of_csv_are_fields_by_their_names_or_as_they_are_told() {
    let lines = "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens,tenant\n2023-11-16 18:15:46.6805900,374,44,acme\n2023-11-16 18:15:50.9951690,396,109,acme\n";
    let policy =
        "[identity]\napi_keys = \"keys.toml\"\n[[route]]\npath = \"/v1/chat/completions\"\nmeter = \"openai\"
        limits = [{ name = \"tpm\", quota = \"500 tokens/minute\", key = \"tenant\" }]";
    let replay = replay(policy)
        .field("time".parse().unwrap(), "TIMESTAMP")
        .field("input_tokens".parse().unwrap(), "ContextTokens")
        .field("output_tokens".parse().unwrap(), "GeneratedTokens")
        .request(http::Method::POST, "/v1/chat/completions".parse().unwrap());
    let report = Desk::with("trace.csv", lines).replay_by(replay).to_json();
    let tpm = limit(&report, "tpm");
    assert_eq!((&tpm["judged"], &tpm["denied"]), (&2.into(), &1.into()), "{report:#}");
    assert_eq!(tpm["most_denied"][0]["key"], "tenant=acme");
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let replay = replay("").field("time".parse().unwrap(), "when");
    let error = Desk::with("trace.csv", "a,b\n").error(replay);
    assert!(error.contains("there is no column `when`; the columns are a, b"), "{error}");
}

#[test]
fn compressed_files_are_read_like_others() {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(NGINX.as_bytes()).unwrap();
    let report = Desk::with("access.log.1.gz", compressed.finish().unwrap()).replay(ONE_A_MINUTE);
    assert_eq!(limit(&report, "all")["denied"], 2);
}

#[test]
fn files_are_read_as_one_log_in_the_order_of_time() {
    let (first, rest) = NGINX.split_once('\n').unwrap();
    let desk = Desk::with("access.log", rest).and("access.log.1", format!("{first}\n"));
    let report = desk.replay(ONE_A_MINUTE);
    assert_eq!(limit(&report, "all")["denied"], 2);
    assert_eq!(report["log"]["late"], 0);
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_first_are_shown() {
    let lines = format!(
        "{NGINX}garbage\n192.0.2.7 - - [30/Nov/2026:18:50:19 +0000] \"\\x16\\x03\\x01\" 400 157 \"-\" \"-\"\n\n"
    );
    let report = Desk::with("access.log", lines).replay(ONE_A_MINUTE);
    assert_eq!(report["log"]["unreadable"], 2);
    let shown = &report["log"]["examples"];
    assert_eq!(shown[0]["line"], 4);
    let reason = shown[1]["reason"].as_str().unwrap();
    assert_eq!(reason, "`\\u{16}\\u{3}\\u{1}` is not a method, a path and a protocol");
}
