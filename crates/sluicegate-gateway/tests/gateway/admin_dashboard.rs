//! The state that the dashboard shows, once and as events.

use serde_json::{Value, json};
use sluicegate_gateway::{Gateway, Origin};
use sluicegate_policy::{LogKeys, Overrides};

use crate::support::{Client, Upstream, gateway, gateway_with, metric, soon};

const TOKEN: &str = "correct-horse-battery";

#[tokio::test]
async fn the_state_has_the_numbers_of_the_metrics() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.log_keys = LogKeys::Plain);
    let mut client = Client::connect(gateway.address()).await;
    for status in [200, 429, 429] {
        assert_eq!(client.get("/once").await.status, status);
    }
    let mut events = Events::of(&gateway, "").await;
    let state = events.until(|state| state["routes"]["/once"]["totals"] == json!([1, 2, 0])).await;
    assert_eq!(metric(&gateway, "sluicegate_decisions_total{limit=\"once\",decision=\"deny\"}").await, 2);
    assert_eq!(state["limits"]["once"]["totals"], json!([1, 2, 0]));
    let once = json!({ "key": ["client_ip"], "quota": "1/day", "routes": ["/once"], "shadow": false, "unit": "requests" });

    let state = shown(&gateway, "?range=1h").await;
    assert_eq!(state["whole"]["limits"]["once"], once);
    assert_eq!((&state["whole"]["range"], &state["whole"]["step"]), (&json!("1h"), &json!(30)));
    assert_eq!(sum(&state["routes"]["/once"]["values"]), [1, 2, 0]);
    assert_eq!(state["routes"]["unmatched"]["values"], Value::Null, "nothing has been counted");
    assert_eq!(state["store"]["up"], true);
    assert_eq!(state["upstreams"][0]["upstream"], format!("http://{}", upstream.address));
    assert_eq!(state["upstreams"][0]["healthy"], true);
    let [newest, oldest] = &state["recent_denials"].as_array().expect("a list")[..] else {
        panic!("{}", state["recent_denials"])
    };
    assert_eq!((&newest["number"], &oldest["number"]), (&json!(2), &json!(1)));
    assert_eq!((&newest["route"], &newest["limit"]), (&json!("/once"), &json!("once")));
    assert_eq!((&newest["key"], &newest["quota"]), (&json!("once|client_ip=127.0.0.1"), &json!("1/day")));
    assert_eq!(
        (&newest["cost"], &newest["remaining"], &newest["unit"]),
        (&json!(1), &json!(0), &json!("requests"))
    );
    assert!(newest["retry_after"].as_u64() > Some(86_000), "{newest}");
    assert_eq!(state["most_denied"][0]["denials"], 2);
}

#[tokio::test]
async fn accounts_are_counted_while_somebody_watches() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.log_keys = LogKeys::Plain);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..2 {
        client.get("/once").await;
    }
    let state = shown(&gateway, "").await;
    assert_eq!(state["accounts"]["busiest"], json!({}), "nobody has watched yet");
    for _ in 0..3 {
        assert_eq!(client.get("/once").await.status, 429);
    }
    let accounts = shown(&gateway, "").await["accounts"].take();
    let key = "once|client_ip=127.0.0.1";
    assert_eq!(accounts["busiest"]["once"], json!({ "key": key, "used": 1.0, "denied": 3.0 }), "{accounts}");
    let [account] = &accounts["most_spent"].as_array().expect("a list")[..] else { panic!("{accounts}") };
    assert_eq!((&account["key"], &account["limit"]), (&json!(key), &json!("once")));
    assert_eq!((&account["spent"], &account["denials"]), (&json!(0), &json!(3)));
}

#[tokio::test]
async fn the_first_event_is_the_whole_state_and_others_say_what_has_changed() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut events = Events::of(&gateway, "?range=10m").await;
    let first = events.next().await;
    assert_eq!(first["whole"]["points"], 120);
    assert!(first["routes"].get("/once").is_some(), "{first}");

    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/once").await.status, 200);
    assert_eq!(client.get("/once").await.status, 429);
    let change = events.until(|state| state["routes"]["/once"]["totals"] == json!([1, 1, 0])).await;
    assert_eq!(change.get("whole"), None);
    assert_eq!(change["routes"].as_object().expect("an object").len(), 1, "{}", change["routes"]);
    let after = events.next().await;
    assert_eq!(
        (&after["routes"], &after["recent_denials"]),
        (&json!({}), &json!([])),
        "nothing has changed since"
    );

    // A client that has lost the connection begins anew.
    let again = Events::of(&gateway, "").await.next().await;
    assert_eq!(sum(&again["routes"]["/once"]["values"]), [1, 1, 0]);
    assert_eq!(again["recent_denials"][0]["limit"], "once");
}

#[tokio::test]
async fn a_reload_tells_everything_again() {
    let folder = tempfile::TempDir::new().expect("there is room");
    let file = folder.path().join("sluicegate.toml");
    let upstream = Upstream::start().await;
    let write = |limit: &str| {
        let text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nthreads = 1\nupstream = \"http://{}\"\n\
             [[route]]\npath = \"/predict\"\nlimits = [{{ name = \"{limit}\", quota = \"10/minute\" }}]\n",
            upstream.address
        );
        std::fs::write(&file, text).expect("the folder is there");
    };
    write("one");
    let mut origin = Origin::new(Some(file.clone()), Overrides::default());
    let policy = origin.read().expect("it is valid");
    let gateway = Gateway::start_from(origin, policy).await.expect("loopback has free ports");
    let mut events = Events::of(&gateway, "").await;
    assert!(events.next().await["whole"]["limits"].get("one").is_some());
    write("two");
    gateway.reload().await.expect("it is valid");
    let mut state = events.until(|state| state["whole"]["limits"].get("two").is_some()).await;
    // The old limit's series goes with the last worker that used it, and then everything is told once more.
    while state["limits"].get("one").is_some() {
        state = events.until(|state| state.get("whole").is_some()).await;
    }
    assert!(state["whole"]["limits"].get("one").is_none(), "{state}");
}

#[tokio::test]
async fn callers_are_told_to_nobody_without_the_token() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.admin_token = Some(TOKEN.into()));
    let mut client = Client::connect(gateway.admin_address()).await;
    assert_eq!(client.get("/dashboard/state").await.status, 401);
    let ask = format!("GET /dashboard/state HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    client.write(ask).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(!answer.text().contains(TOKEN));
}

#[tokio::test]
async fn a_range_that_does_not_exist_is_a_bad_request() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.admin_address()).await;
    for query in ["?range=2h", "?range=", "?range=1h&range=1h", "?other=1h"] {
        let answer = client.get(&format!("/dashboard/state{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("range=10m"), "{}", answer.text());
    }
}

async fn shown(gateway: &Gateway, query: &str) -> Value {
    let answer =
        Client::connect(gateway.admin_address()).await.get(&format!("/dashboard/state{query}")).await;
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn sum(values: &Value) -> [u64; 3] {
    let column = |index: usize| values[index].as_array().expect("a column");
    [0, 1, 2].map(|index| column(index).iter().map(|value| value.as_u64().expect("a count")).sum())
}

/// A client of the events.
struct Events {
    client: Client,
    unread: String,
}

impl Events {
    async fn of(gateway: &Gateway, query: &str) -> Self {
        let mut client = Client::connect(gateway.admin_address()).await;
        let ask = "host: localhost\r\naccept: text/event-stream";
        client.write(format!("GET /dashboard/state{query} HTTP/1.1\r\n{ask}\r\n\r\n")).await;
        let head = client.head().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        Self { client, unread: String::new() }
    }

    async fn next(&mut self) -> Value {
        while !self.unread.contains("\n\n") {
            let chunk = self.client.chunk().await.expect("the events go on");
            self.unread.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
        let (event, rest) = self.unread.split_once("\n\n").expect("it is there");
        let data = event.strip_prefix("event: state\ndata: ").expect("an event of the state");
        let state = serde_json::from_str(data).expect("JSON");
        self.unread = rest.to_owned();
        state
    }

    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        soon(async {
            loop {
                let state = self.next().await;
                if is_it(&state) {
                    return state;
                }
            }
        })
        .await
    }
}
