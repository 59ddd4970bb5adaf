//! Suggestions to try: curl lines for the demo's addresses, and a page with a button for each.

mod page;
mod step;

use std::fmt;

use crate::Addresses;

pub use page::Page;
use step::{Body, Call, FLOWER, Key, Step};
pub use step::{FREE_KEY, PREMIUM_KEY};

/// Displays where the demo listens, and commands to paste into another terminal.
#[derive(Clone, Copy, Debug)]
pub struct Guide(pub Addresses);

impl fmt::Display for Guide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { gateway, admin, model } = self.0;
        write!(
            f,
            r##"
Sluicegate demo: a classifier of iris flowers behind the gateway, limited by examples/demo/demo.toml.

  gateway  http://{gateway}   what clients use; a browser gets a page with buttons
  admin    http://{admin}   /metrics, /livez, /readyz
  model    http://{model}   the model server itself, without limits

The models are in training. Until they are trained, every limit is a fifth of its size.

Paste into another terminal; first the names that the other lines use:

"##
        )?;
        for line in self.names() {
            writeln!(f, "  {line}")?;
        }
        for step in STEPS {
            writeln!(f, "\n  say '{}'", step.says)?;
            for line in step.lines() {
                writeln!(f, "  {line}")?;
            }
        }
        write!(
            f,
            r#"
A quota gives back evenly: of 10 per minute one comes back every 6 s, so a slow loop sees fewer denials.

Ctrl-C stops it. Each denial is logged below.
"#
        )
    }
}

impl Guide {
    /// Lines that define the names that all others use.
    fn names(self) -> [String; 6] {
        let Addresses { gateway, admin, .. } = self.0;
        [
            format!("gate=http://{gateway} admin=http://{admin} flower='{FLOWER}'"),
            format!("free={FREE_KEY}"),
            format!("premium={PREMIUM_KEY}"),
            r##"say() { echo; echo "# $*"; }"##.to_owned(),
            r#"call() { curl -si -H 'content-type: application/json' "$@"; echo; }"#.to_owned(),
            r#"code() { curl -s -o /dev/null -w '%{http_code}\n' -H 'content-type: application/json' "$@"; }"#
                .to_owned(),
        ]
    }
}

/// Everything to try, in an order in which each does what it says.
const STEPS: &[Step] = &[
    Step {
        says: "200: a prediction, and what is left, in the RateLimit header",
        calls: &[Call::once("/predict", Key::None, Body::Flower)],
    },
    Step {
        says: "429: 10 per minute; this makes eleven, and then what the twelfth is told",
        calls: &[
            Call::times(10, "/predict", Key::None, Body::Flower),
            Call::once("/predict", Key::None, Body::Flower),
        ],
    },
    Step {
        says: "403: the premium route without the premium tier; 200 with a key of that tier; 401 with a key that nobody has",
        calls: &[
            Call::once("/premium/predict", Key::None, Body::Flower),
            Call::once("/premium/predict", Key::Premium, Body::Flower),
            Call::once("/premium/predict", Key::Guessed, Body::Flower),
        ],
    },
    Step {
        says: "tiers: 20 per minute for the free key, 100 for the premium key",
        calls: &[
            Call::times(25, "/tiered/predict", Key::Free, Body::Flower),
            Call::times(105, "/tiered/predict", Key::Premium, Body::Flower),
        ],
    },
    Step {
        says: "200: a batch of 2 costs 2 of 100 items per minute; 429 without Retry-After: a batch of 101 never fits",
        calls: &[
            Call::once("/predict/batch", Key::None, Body::Pair),
            Call::once("/predict/batch", Key::None, Body::TooMany),
        ],
    },
    Step {
        says: "400: a batch that is no JSON; 413: one above max_body, 1 MiB; both cost nothing",
        calls: &[
            Call::once("/predict/batch", Key::None, Body::Broken),
            Call::once("/predict/batch", Key::None, Body::TooLarge),
        ],
    },
    Step {
        says: "what has happened: for Prometheus, and as JSON",
        calls: &[Call::Metrics, Call::MetricsAsJson],
    },
];

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn addresses() -> Addresses {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Addresses { gateway: address(8080), admin: address(9090), model: address(8000) }
    }

    #[test]
    fn the_page_has_every_line_of_the_guide_and_a_request_for_each_call() {
        let (page, guide) = (Page::of(addresses()).to_string(), Guide(addresses()).to_string());
        let data = page.split("id=\"guide\">").nth(1).and_then(|rest| rest.split("</script>").next());
        let data: serde_json::Value =
            serde_json::from_str(data.expect("the page has its data")).expect("JSON");
        let steps = data["steps"].as_array().expect("a list");
        assert_eq!(steps.len(), STEPS.len());
        for (step, told) in STEPS.iter().zip(steps) {
            assert_eq!(told["says"], step.says);
            assert_eq!(told["calls"].as_array().map(Vec::len), Some(step.calls.len()));
            for line in told["lines"].as_array().expect("a list") {
                assert!(guide.contains(line.as_str().expect("text")), "{line}");
            }
        }
        assert!(!page.contains("{{"), "all is filled in");
    }
}
