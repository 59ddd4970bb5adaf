//! One thing to try.

use serde_json::{Value, json};

/// A sample API key of the free tier. It is public and opens nothing but this demo.
pub const FREE_KEY: &str = "sg_e5yuytgt_ykSCss9HIZwOEPeCuVOe3KILldetUBwodOYsGwFUQGD";

/// A sample API key of the premium tier. It is public and opens nothing but this demo.
pub const PREMIUM_KEY: &str = "sg_64l69jx1_FTJumdyKNNKV9vbFpcCIqqdEkCCADmnmWJBJHhAYbZD";

/// The body of a prediction.
pub(super) const FLOWER: &str = "{\"input\": [5.1, 3.5, 1.4, 0.2]}";

/// One thing to try, and its outcome.
pub(super) struct Step {
    /// The outcome to expect. It names exactly the statuses of the calls that are made once.
    pub(super) says: &'static str,
    pub(super) calls: &'static [Call],
}

/// A request, or several alike.
pub(super) enum Call {
    /// A request to the model server, through the gateway. If it is made once, its whole response is shown, and else the
    /// statuses are counted.
    Model { times: u32, path: &'static str, key: Key, body: Body },
    /// The counters of the admin port that are not zero.
    Metrics,
    /// The summary of the admin port.
    MetricsAsJson,
}

pub(super) enum Key {
    None,
    Free,
    Premium,
    Guessed,
}

pub(super) enum Body {
    /// One flower.
    Flower,
    /// A batch of two flowers.
    Pair,
    /// A batch of 101 items.
    TooMany,
    /// JSON that ends too early.
    Broken,
    /// Two megabytes of zeros.
    TooLarge,
}

impl Step {
    /// Its lines for a shell.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.calls.iter().map(Call::line)
    }

    /// Its lines, and the requests for a page to send.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "says": self.says,
            "lines": self.lines().collect::<Vec<_>>(),
            "calls": self.calls.iter().map(Call::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Call {
    pub(super) const fn once(path: &'static str, key: Key, body: Body) -> Self {
        Self::times(1, path, key, body)
    }

    pub(super) const fn times(times: u32, path: &'static str, key: Key, body: Body) -> Self {
        Self::Model { times, path, key, body }
    }

    fn line(&self) -> String {
        match self {
            Self::Model { times, path, key, body } => {
                let (before, key, body) = (body.input(), key.argument(), body.argument());
                match times {
                    1 => format!("{before}call $gate{path}{key} {body}"),
                    _ => format!(
                        "for i in $(seq {times}); do code $gate{path}{key} {body}; done | sort | uniq -c"
                    ),
                }
            }
            Self::Metrics => "curl -s $admin/metrics | grep 'requests_total.* [1-9]'".to_owned(),
            Self::MetricsAsJson => "curl -s $admin/metrics -H 'accept: application/json'".to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Model { times, path, key, body } => {
                json!({"times": times, "path": path, "key": key.value(), "body": body.text()})
            }
            Self::Metrics | Self::MetricsAsJson => json!({"admin": "/metrics"}),
        }
    }
}

impl Key {
    fn argument(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Free => " -H \"x-api-key: $free\"",
            Self::Premium => " -H \"x-api-key: $premium\"",
            Self::Guessed => " -H \"x-api-key: guessed\"",
        }
    }

    fn value(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Free => Some(FREE_KEY),
            Self::Premium => Some(PREMIUM_KEY),
            Self::Guessed => Some("guessed"),
        }
    }
}

impl Body {
    /// The command whose output is the body.
    fn input(&self) -> &'static str {
        match self {
            Self::TooLarge => "head -c 2000000 /dev/zero | ",
            _ => "",
        }
    }

    fn argument(&self) -> String {
        match (self, self.text()) {
            // A name is shorter.
            (Self::Flower, _) => "-d \"$flower\"".to_owned(),
            (Self::TooMany, _) => "-d \"{\\\"inputs\\\": [0$(printf ',0%.0s' $(seq 100))]}\"".to_owned(),
            (_, Some(text)) => format!("-d '{text}'"),
            (_, None) => "--data-binary @-".to_owned(),
        }
    }

    /// The same for a page. `None` is two megabytes of zeros, which the page makes itself.
    fn text(&self) -> Option<String> {
        match self {
            Self::Flower => Some(FLOWER.to_owned()),
            Self::Pair => Some("{\"inputs\": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}".to_owned()),
            Self::TooMany => Some(format!("{{\"inputs\": [0{}]}}", ",0".repeat(100))),
            Self::Broken => Some("{\"inputs\": [".to_owned()),
            Self::TooLarge => None,
        }
    }
}
