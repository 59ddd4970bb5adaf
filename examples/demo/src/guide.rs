//! What to try, as curl lines for the addresses where the demo listens.

use std::fmt;

use crate::Addresses;

/// A sample API key of the free tier. It is public and opens nothing but this demo.
pub const FREE_KEY: &str = "sg_e5yuytgt_ykSCss9HIZwOEPeCuVOe3KILldetUBwodOYsGwFUQGD";

/// A sample API key of the premium tier. It is public and opens nothing but this demo.
pub const PREMIUM_KEY: &str = "sg_64l69jx1_FTJumdyKNNKV9vbFpcCIqqdEkCCADmnmWJBJHhAYbZD";

/// Displays where the demo listens, and commands to paste into another terminal.
#[derive(Clone, Copy, Debug)]
pub struct Guide(pub Addresses);

impl fmt::Display for Guide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { gateway, admin, model } = self.0;
        write!(
            f,
            r#"
Sluicegate demo: a classifier of iris flowers behind the gateway, limited by examples/demo/demo.toml.

  gateway  http://{gateway}   what clients use
  admin    http://{admin}   /metrics, /livez, /readyz
  model    http://{model}   the model server itself, without limits

The models are in training. Until they are trained, every limit is a fifth of its size.

Paste into another terminal:

  # 200: a prediction, and what is left, in the RateLimit header
  curl -i http://{gateway}/predict --json '{FLOWER}'

  # 429: 10 per minute, the 11th is denied; the last line says for how long
  for i in $(seq 11); do curl -s -o /dev/null -w '%{{http_code}} ' http://{gateway}/predict --json '{FLOWER}'; done; echo
  curl -i http://{gateway}/predict --json '{FLOWER}'

  # 403: the premium route without the premium tier
  curl -i http://{gateway}/premium/predict --json '{FLOWER}'

  # 200: the same with a key of that tier; 401 with a key that nobody has
  curl -i http://{gateway}/premium/predict -H 'x-api-key: {PREMIUM_KEY}' --json '{FLOWER}'
  curl -i http://{gateway}/premium/predict -H 'x-api-key: guessed' --json '{FLOWER}'

  # tiers: 20 per minute for the free key, 100 for the premium key, on accounts of their own
  for key in {FREE_KEY} {PREMIUM_KEY}; do
    for i in $(seq 101); do curl -s -o /dev/null -w '%{{http_code}}\n' -H "x-api-key: $key" http://{gateway}/tiered/predict --json '{FLOWER}'; done | sort | uniq -c
  done

  # 200: a batch of 2 costs 2 of 100 items per minute
  curl -i http://{gateway}/predict/batch --json '{{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}}'

  # 429 without Retry-After: a batch of 101 never fits
  curl -i http://{gateway}/predict/batch --json "{{\"inputs\": [[5.1,3.5,1.4,0.2]$(printf ',[5.1,3.5,1.4,0.2]%.0s' $(seq 100))]}}"

  # 413: a body above max_body, 1 MiB, on a route whose bodies are counted; 400: a body that is not JSON
  head -c 2000000 /dev/zero | curl -i http://{gateway}/predict/batch -H 'content-type: application/json' --data-binary @-
  curl -i http://{gateway}/predict/batch --json '{{"inputs": ['

  # what has happened so far: for Prometheus, and as JSON
  curl -s http://{admin}/metrics | grep ^sluicegate_requests
  curl -s http://{admin}/metrics -H 'accept: application/json'

Ctrl-C stops it. Each denial is logged below.
"#
        )
    }
}

const FLOWER: &str = r#"{"input": [5.1, 3.5, 1.4, 0.2]}"#;
