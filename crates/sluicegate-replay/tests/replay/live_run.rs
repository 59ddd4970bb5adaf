//! A gate that decides random requests on a clock that is moved, and writes its decision log.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    io::Write,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use http::{Request, Response};
use pollster::block_on;
use sluicegate::{Clock, ManualClock, MemoryStore, Wait};
use sluicegate_http::decision_log as log;
use sluicegate_policy::{
    Actual, ApiKeys, Extended, Gate, Judgement, KeyFile, Outcome, Pass, Policy, Reading, Rejection, Secret,
    Source, Usage, UtcTime, Visit,
};

type Store = MemoryStore<ManualClock>;

/// A gate at work, and the counts of its decisions.
pub(crate) struct LiveRun {
    gate: Gate<Store>,
    clock: ManualClock,
    secrets: Vec<Secret>,
    random: Random,
    running: HashMap<u64, Running>,
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    limits: BTreeMap<String, Counted>,
    /// Steps in which responses took more tokens than were reserved.
    pub(crate) extensions: u64,
    /// Resets of all accounts of a request.
    pub(crate) resets: u64,
}

/// The decisions of one limit.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) judged: u64,
    pub(crate) denied: u64,
    longest: Option<Duration>,
}

/// A request that runs, and the tokens that it will have used.
struct Running {
    pass: Box<Pass<Store>>,
    tokens: (u64, u64),
    began: u64,
}

impl LiveRun {
    /// A gate of a policy with every algorithm, several limits, tiers and meters, and of forty API keys.
    pub(crate) fn new(folder: &Path) -> Self {
        let file = KeyFile::at(folder.join("keys.toml"));
        let key = |number: u64| {
            let tier = number.is_multiple_of(2).then_some("premium");
            file.add(&format!("tenant-{}", number % 13), tier, UtcTime::from_unix(0)).unwrap()
        };
        let secrets = (0..40).map(key).collect();
        let clock = ManualClock::new();
        let (policy, api_keys) = Self::policy_of(folder);
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let gate = Gate::new(policy, store, clock.clone());
        gate.replace_api_keys(api_keys);
        Self {
            gate,
            clock,
            secrets,
            random: Random(1),
            running: HashMap::new(),
            ends: BinaryHeap::new(),
            limits: BTreeMap::new(),
            extensions: 0,
            resets: 0,
        }
    }

    /// The policy, and the API keys in a folder where a run has begun.
    pub(crate) fn policy_of(folder: &Path) -> (Policy, ApiKeys) {
        let policy = Policy::parse(&Source::new("live.toml", POLICY.as_bytes()).unwrap());
        let policy = policy.unwrap_or_else(|error| panic!("{error}"));
        (policy, ApiKeys::load(&folder.join("keys.toml")).unwrap())
    }

    /// The decisions of each limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&str, &Counted)> {
        self.limits.iter().map(|(name, counted)| (name.as_str(), counted))
    }

    /// Decides so many requests, and writes the log.
    pub(crate) fn write(&mut self, requests: u64, log: &mut impl Write) {
        for number in 0..requests {
            let time = self.now() + self.random.below(300_000_000);
            self.end_until(time, log);
            self.clock.advance(Duration::from_nanos(time - self.now()));
            self.request(number, log);
        }
    }

    fn now(&self) -> u64 {
        self.clock.now().ticks() / 16
    }

    fn end_until(&mut self, time: u64, log: &mut impl Write) {
        while let Some(Reverse((end, id))) =
            self.ends.peek().copied().filter(|Reverse((end, _))| *end <= time)
        {
            self.ends.pop();
            self.clock.advance(Duration::from_nanos(end.saturating_sub(self.now())));
            self.end(id, log);
        }
    }

    fn request(&mut self, id: u64, log: &mut impl Write) {
        let chat = self.random.below(3) > 0;
        let (path, body) = if chat {
            let words = "word ".repeat(1 + self.random.index(60));
            let most = 1 + self.random.below(200);
            let body = format!(
                r#"{{"model": "m", "stream": true, "max_tokens": {most}, "messages": [{{"role": "user", "content": "{words}"}}]}}"#
            );
            ("/v1/chat/completions", body)
        } else {
            ("/predict", format!(r#"{{"inputs": {}}}"#, self.random.below(40)))
        };
        let mut request = Request::post(path).header("content-type", "application/json");
        let key = self.random.index(48);
        if let Some(secret) = self.secrets.get(key) {
            request = request.header("x-api-key", secret.as_str());
        }
        let (head, body) = request.body(bytes::Bytes::from(body)).unwrap().into_parts();
        let client = Ipv4Addr::from(
            u32::from(Ipv4Addr::new(192, 0, 2, 0)) + u32::try_from(self.random.below(9)).unwrap(),
        );
        let mut visit = block_on(self.gate.enter(&head, IpAddr::V4(client))).expect("everybody may enter");
        let reading = visit.take_reading().map(|mut reading: Box<Reading>| {
            let _ = reading.take(body).unwrap();
            reading.end().unwrap();
            reading
        });
        let outcome = block_on(self.gate.decide(&visit, reading.as_deref()));
        let caller = keys(&visit, &self.gate, client);
        let route = self.gate.policy().routes.get(visit.route()).label().to_owned();
        let judged: Vec<_> = match &outcome {
            Outcome::Admitted(pass) => pass.judgements().map(|judged| self.gate_judged(&judged)).collect(),
            Outcome::Rejected(Rejection::Denied(denied)) => {
                denied.judgements().map(|judged| self.gate_judged(&judged)).collect()
            }
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        };
        for (_, name, wait) in &judged {
            let counted = self.limits.entry(name.clone()).or_default();
            counted.judged += 1;
            counted.denied += u64::from(!wait.fits());
            if let Wait::For(wait) = wait {
                counted.longest = counted.longest.max(Some(*wait));
            }
        }
        let accounts: Vec<_> = judged.iter().map(|(line, ..)| line.key.clone().into_owned()).collect();
        let allowed = outcome.is_admitted();
        write(
            log,
            &log::Record::Decision(log::Decision {
                id: Cow::Owned(name_of(id)),
                time: self.time(),
                method: "POST".into(),
                route: route.into(),
                path: path.into(),
                outcome: if allowed { log::Outcome::Allowed } else { log::Outcome::Denied },
                status: (!allowed).then_some(429),
                error: None,
                warmup: None,
                keys: caller,
                cost: log::Costs::default(),
                limits: judged.into_iter().map(|(line, ..)| line).collect(),
            }),
        );
        if let Outcome::Admitted(pass) = outcome {
            let began = self.now();
            self.ends.push(Reverse((began + self.random.below(4_000_000_000), id)));
            let tokens = (self.random.below(100), self.random.below(300));
            self.running.insert(id, Running { pass, tokens, began });
            if chat && self.random.below(4) == 0 {
                self.outgrow(id, log);
            }
        }
        if self.random.below(100) == 0 {
            self.reset(&accounts, client, log);
        }
    }

    /// Resets accounts, as an operator does.
    fn reset(&mut self, accounts: &[String], client: Ipv4Addr, log: &mut impl Write) {
        for key in accounts {
            block_on(self.gate.reset(&self.gate.accounts(key, None))).unwrap();
        }
        let logged = |key: &String| key.replace(&client.to_string(), &hashed(client)).into();
        let (time, process) = (self.time(), "a1b2c3".into());
        let accounts = accounts.iter().map(logged).collect();
        write(log, &log::Record::Reset(log::Reset { time, process, accounts }));
        self.resets += 1;
    }

    /// The line of a judgement, the name of its limit, and its wait.
    fn gate_judged(&self, judged: &Judgement<'_>) -> (log::LimitDecision<'static>, String, Wait) {
        let limit = self.gate.policy().limit(judged.limit);
        let line = log::LimitDecision {
            name: Cow::Owned(limit.name().to_owned()),
            mode: limit.mode(),
            key: Cow::Owned(judged.charge.key.as_str().to_owned()),
            charge: judged.charge.cost.units(),
            allowed: judged.balance.wait.fits(),
            remaining: judged.balance.remaining,
            wait: judged.balance.wait.duration().map(|wait| wait.as_secs_f64()),
            after_ns: 0,
        };
        (line, limit.name().to_owned(), judged.balance.wait)
    }

    /// Lets the response of a request become longer than its reservation.
    fn outgrow(&mut self, id: u64, log: &mut impl Write) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let Some(reservation) = running.pass.reservation() else { return };
        let (head, ()) =
            Response::builder().header("content-type", "text/event-stream").body(()).unwrap().into_parts();
        let mut meter = reservation.response_meter(&head);
        let chunk = format!(
            "data: {{\"choices\": [{{\"index\": 0, \"delta\": {{\"content\": \"{}\"}}}}]}}\n\n",
            "word ".repeat(400)
        );
        meter.data(chunk.as_bytes());
        while let Some(extension) = running.pass.extension(&meter) {
            let Extended::Taken(permit) = block_on(self.gate.extend(extension)) else { break };
            running.pass.extended(*permit);
            let Some((_, charges)) = running.pass.last_extension() else { break };
            let policy = self.gate.policy();
            let limits = charges
                .map(|(limit, charge)| charged(policy.limit(limit).name(), charge.cost.units()))
                .collect();
            let time = log::Time::from_nanoseconds(BEGAN + self.clock.now().ticks() / 16);
            write(log, &log::Record::Extend(log::Extend { id: Cow::Owned(name_of(id)), time, limits }));
            self.extensions += 1;
        }
    }

    fn end(&mut self, id: u64, log: &mut impl Write) {
        let Running { pass, tokens, began } = self.running.remove(&id).expect("it runs");
        let usage = pass.reservation().map(|_| Usage::text(tokens.0, tokens.1));
        let actual = usage.map(Actual::told);
        let policy = self.gate.policy();
        let settled = actual.iter().flat_map(|actual| pass.settled_tokens(actual));
        let limits = settled.map(|(limit, cost)| charged(policy.limit(limit).name(), cost.units())).collect();
        write(
            log,
            &log::Record::End(log::End {
                id: Cow::Owned(name_of(id)),
                time: self.time(),
                status: Some(200),
                error: None,
                complete: true,
                duration: Duration::from_nanos(self.now() - began).as_secs_f64(),
                limits,
                tokens: usage.map(|_| log::Tokens { input: tokens.0, output: tokens.1 }),
            }),
        );
        if let Some(actual) = actual {
            block_on(pass.settle_tokens(&actual)).unwrap();
        }
    }

    fn time(&self) -> log::Time {
        log::Time::from_nanoseconds(BEGAN + self.now())
    }
}

impl Counted {
    /// The longest wait in seconds, to the millisecond, rounded up.
    pub(crate) fn longest_wait(&self) -> Option<f64> {
        let milliseconds = self.longest?.as_nanos().div_ceil(1_000_000);
        Some(Duration::from_millis(u64::try_from(milliseconds).unwrap()).as_secs_f64())
    }
}

/// The caller as a log names it. The address is hashed, as in a log by default.
fn keys(visit: &Visit<'_>, gate: &Gate<Store>, client: Ipv4Addr) -> log::Keys<'static> {
    let caller = visit.caller();
    let mut keys = vec![("client_ip".into(), Cow::Owned(hashed(client)))];
    if let Some(key) = &caller.api_key {
        keys.push(("api_key".into(), Cow::Owned(key.id.clone())));
        keys.push(("tenant".into(), Cow::Owned(key.tenant.clone())));
    }
    keys.push(("tier".into(), Cow::Owned(gate.policy().tiers.name(caller.tier).to_owned())));
    log::Keys(keys)
}

fn hashed(client: Ipv4Addr) -> String {
    format!("{:016x}", u64::from(u32::from(client)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn charged(name: &str, charge: u64) -> log::LimitCharge<'static> {
    log::LimitCharge { name: Cow::Owned(name.to_owned()), charge }
}

fn name_of(id: u64) -> String {
    format!("a1b2c3{id:010x}")
}

fn write(log: &mut impl Write, record: &log::Record<'_>) {
    serde_json::to_writer(&mut *log, record).unwrap();
    log.write_all(b"\n").unwrap();
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }

    fn index(&mut self, end: u64) -> usize {
        usize::try_from(self.below(end)).unwrap()
    }
}

/// The wall clock when the gate began, in nanoseconds.
const BEGAN: u64 = 1_796_061_600_123_456_789;

const POLICY: &str = r#"
[identity]
api_keys = "keys.toml"
default_tier = "free"

[tiers.free]
[tiers.premium]
scale = 3

[limits.everybody]
quota     = "260/minute"
key       = "global"
algorithm = "sliding-window"

[limits.slots]
quota = "1 concurrent"
key   = "api_key"

[[route]]
path   = "/predict"
meter  = { items = "/inputs" }
weight = 2
limits = [
  "everybody",
  "slots",
  { name = "rpm", quota = "4/minute", key = "api_key" },
  { name = "items", quota = "60 items/minute", key = "tenant", algorithm = "fixed-window" },
  { name = "log", quota = "10/20 seconds", key = "client_ip", algorithm = "sliding-log" },
  { name = "trial", quota = "2/minute", key = "client_ip", mode = "shadow" },
]

[[route]]
path   = "/v1/chat/completions"
meter  = { tokens = "openai", default_output = 64 }
limits = [
  "everybody",
  "slots",
  { name = "tpm", quota = "400 tokens/minute", key = "tenant" },
  { name = "input", quota = "120 input_tokens/minute", key = "api_key", reserve = "input", algorithm = "sliding-window" },
  { name = "output", quota = "400 output_tokens/minute", key = "api_key", reserve = "off", algorithm = "fixed-window" },
  { name = "debt", quota = "60 tokens/minute", key = "tenant", reserve = "input", debt = "forgive", mode = "shadow" },
]
"#;
