//! Suggestions to try, as curl lines for the demo's addresses.

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
            r##"
Sluicegate demo: a classifier of iris flowers behind the gateway, limited by examples/demo/demo.toml.

  gateway  http://{gateway}   what clients use
  admin    http://{admin}   /metrics, /livez, /readyz
  model    http://{model}   the model server itself, without limits

The models are in training. Until they are trained, every limit is a fifth of its size.

Paste into another terminal; first the names that the other lines use:

  gate=http://{gateway} admin=http://{admin} flower='{{"input": [5.1, 3.5, 1.4, 0.2]}}'
  free={FREE_KEY}
  premium={PREMIUM_KEY}
  say() {{ echo; echo "# $*"; }}
  call() {{ curl -si -H 'content-type: application/json' "$@"; echo; }}
  code() {{ curl -s -o /dev/null -w '%{{http_code}}\n' -H 'content-type: application/json' "$@"; }}

  say '200: a prediction, and what is left, in the RateLimit header'
  call $gate/predict -d "$flower"

  say '429: 10 per minute; this makes eleven, and then what the twelfth is told'
  for i in $(seq 10); do code $gate/predict -d "$flower"; done | sort | uniq -c
  call $gate/predict -d "$flower"

  say '403: the premium route without the premium tier; 200 with a key of that tier; 401 with a key that nobody has'
  call $gate/premium/predict -d "$flower"
  call $gate/premium/predict -H "x-api-key: $premium" -d "$flower"
  call $gate/premium/predict -H "x-api-key: guessed" -d "$flower"

  say 'tiers: 20 per minute for the free key, 100 for the premium key'
  for i in $(seq 25); do code $gate/tiered/predict -H "x-api-key: $free" -d "$flower"; done | sort | uniq -c
  for i in $(seq 105); do code $gate/tiered/predict -H "x-api-key: $premium" -d "$flower"; done | sort | uniq -c

  say '200: a batch of 2 costs 2 of 100 items per minute; 429 without Retry-After: a batch of 101 never fits'
  call $gate/predict/batch -d '{{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}}'
  call $gate/predict/batch -d "{{\"inputs\": [0$(printf ',0%.0s' $(seq 100))]}}"

  say '400: a batch that is no JSON; 413: one above max_body, 1 MiB; both cost nothing'
  call $gate/predict/batch -d '{{"inputs": ['
  head -c 2000000 /dev/zero | call $gate/predict/batch --data-binary @-

  say 'what has happened: for Prometheus, and as JSON'
  curl -s $admin/metrics | grep 'requests_total.* [1-9]'
  curl -s $admin/metrics -H 'accept: application/json'

A quota gives back evenly: of 10 per minute one comes back every 6 s, so a slow loop sees fewer denials.

Ctrl-C stops it. Each denial is logged below.
"##
        )
    }
}
