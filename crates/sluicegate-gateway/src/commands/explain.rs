//! `sluicegate explain`: the decision on a request that nobody sends.

mod curl;

use std::{
    error::Error,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use sluicegate::SystemClock;
use sluicegate_gateway::{Explanation, SampleRequest};
use sluicegate_policy::{ApiKeys, Gate, Overrides, Policy, StoreKind, StoreSettings};
use sluicegate_stores::AnyStore;

use super::{Outcome, POLICY_FILE};

/// Explains the decision on a request, without sending it or spending anything
///
/// Prints the route, the caller, the limits that judge the request with their accounts and costs, and the gateway's
/// response or the headers that it adds. The gateway's own code decides.
///
/// Callers have spent nothing, unless --connect reads their balances from the policy's store. Balances in memory are the
/// running gateway's: ask its admin port, POST /explain. The upstream is taken to be warm.
///
/// The exit code is 0 whatever the decision, and 1 if the policy, the request or a file cannot be read.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Explain {
    /// The request: its method and its path, as in "POST /v1/chat/completions"
    ///
    /// Without a method it is a GET, or a POST if there is --data. A URL is as good as a path. A descriptor of Envoy's
    /// rate limit filter is written as "ml: generic_key=chat, user=ann".
    #[arg(short, long, value_name = "REQUEST")]
    request: String,
    /// A header, as in "x-api-key: KEY"; can be repeated
    ///
    /// As curl's: "@FILE" reads one from each line of a file, and "@-" from standard input.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body, "@FILE" for that in a file, "@-" for that in standard input; can be repeated
    ///
    /// As curl's: several are joined by "&", files lose their line breaks, and the content type is
    /// application/x-www-form-urlencoded unless a header says otherwise.
    #[arg(short, long, value_name = "DATA")]
    data: Vec<String>,
    /// The address that the request comes from
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// The policy file
    #[arg(short, long, value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    config: PathBuf,
    /// Reads balances from the policy's store; they stay as they are
    #[arg(long)]
    connect: bool,
    /// Prints the explanation as one JSON object
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self) -> Outcome {
        let request = self.request()?;
        let gate = self.gate()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let explanation = runtime.block_on(async {
            if self.connect {
                gate.store().check().await.map_err(|error| format!("the store does not answer: {error}"))?;
            }
            Ok::<_, String>(Explanation::of(&gate, &request).await)
        })?;
        let mut out = io::stdout();
        if self.json {
            writeln!(out, "{:#}", explanation.to_json())?;
        } else {
            write!(out, "{explanation}")?;
        }
        Ok(())
    }

    fn request(&self) -> Result<SampleRequest, Box<dyn Error>> {
        let mut headers = curl::headers(&self.headers)?;
        let body = curl::data(&self.data)?;
        if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()))
        {
            headers.push((CONTENT_TYPE.to_string(), FORM.into()));
        }
        Ok(SampleRequest::new(&self.request, headers, body.map(Bytes::from), self.from)?)
    }

    /// The gate of the policy, as a gateway with a warm upstream has it.
    fn gate(&self) -> Result<Gate<AnyStore>, Box<dyn Error>> {
        let policy = Policy::load(&self.config, Overrides::default().environment())?;
        let policy = Policy { warmup: None, ..policy };
        let api_keys = match &policy.identity.api_keys {
            Some(file) => ApiKeys::load_for(file, &policy.tiers)?,
            None => ApiKeys::default(),
        };
        let store = match (self.connect, policy.store.url.kind()) {
            (true, StoreKind::Memory) => return Err(IN_MEMORY.into()),
            (true, _) => AnyStore::open(&policy.store, |_| ())?,
            (false, _) => {
                AnyStore::open(&StoreSettings { max_keys: 1000, ..StoreSettings::default() }, |_| ())?
            }
        };
        let gate = Gate::new(policy, store, SystemClock::new());
        gate.replace_api_keys(api_keys);
        Ok(gate)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

const IN_MEMORY: &str = "\
the balances are in the memory of the gateway
  help: leave --connect out, or ask the gateway's admin port: curl http://127.0.0.1:9090/explain -d '{\"request\": \"GET /\"}'";

const EXAMPLES: &str = "\
Examples:
  sluicegate explain --request /predict
  sluicegate explain -r \"POST /v1/chat/completions\" -H content-type:application/json -d @body.json
  sluicegate explain --request \"POST /predict\" -H \"x-api-key: $KEY\" -d @- --json < body.json
  sluicegate explain --request /predict --from 192.0.2.7 --connect --config policy.toml";
