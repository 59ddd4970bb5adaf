//! Mistakes in `[telemetry]`.

use crate::said;

#[test]
fn each_mistake_is_told_with_its_place_and_its_remedy() {
    said(&[
        (
            "[telemetry]\nendpoint = 'http://me:hunter2@collector'",
            "p.toml:2:12: `endpoint` is not the URL of a collector that speaks OTLP over HTTP\n  help: write it as \
             \"http://HOST:4318\" or with https, without user, query and /v1/traces",
        ),
        (
            "[telemetry]\nendpoint = 'http://collector:4318/v1/traces'",
            "p.toml:2:12: `endpoint` is for traces and metrics, not for traces alone\n  help: write \
             \"http://collector:4318\", without /v1/traces",
        ),
        (
            "[telemetry]\nheaders = 'a=b, hunter2'",
            "p.toml:2:11: entry 2 of `headers` is not a header\n  help: write `headers` as \"name=value,name=value\"",
        ),
        (
            "[telemetry]\nheaders = 'Content-Type=text/plain'",
            "p.toml:2:11: `headers` cannot set `content-type`\n  help: leave it out: the gateway sets it",
        ),
        (
            "[telemetry]\nsampling = 5",
            "p.toml:2:12: `sampling` cannot be 5\n  help: give a share from 0 to 1, such as 0.05",
        ),
        (
            "[telemetry]\nmetrics_interval = '250ms'",
            "p.toml:2:20: too short an interval\n  help: give at least \"1s\"",
        ),
        (
            "[telemetry]\nservice_name = ''",
            "p.toml:2:16: no name\n  help: give a name such as \"sluicegate\"",
        ),
        ("[telemetry]\nsample = 1", "p.toml:2:1: unknown field `sample`\n  help: did you mean `sampling`?"),
    ]);
}
