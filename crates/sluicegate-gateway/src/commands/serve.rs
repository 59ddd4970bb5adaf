//! `sluicegate serve`: loads the policy, starts the gateway, and drains it when it is told to stop.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sluicegate_gateway::{Gateway, Origin, log};
use sluicegate_policy::{Overrides, Policy};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Outcome, POLICY_FILE};

/// Serves: forwards the requests that the policy admits, and answers the rest
///
/// Stops on SIGTERM or Ctrl-C: it accepts no more connections, gives running requests gateway.drain_timeout
/// (30 seconds) to finish, and exits with 0. A second signal stops it at once.
///
/// Reads the policy again when its file changes, and on SIGHUP. A valid policy takes effect at once. An invalid one is
/// logged and changes nothing.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Serve {
    /// The policy file [default: sluicegate.toml, if it exists]
    #[arg(short, long, value_name = "FILE", env = "SLUICEGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Address for clients, instead of gateway.listen
    #[arg(short, long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The server to protect, instead of gateway.upstream
    #[arg(short, long, value_name = "URL")]
    upstream: Option<String>,
    /// Address for health and metrics, instead of gateway.admin
    #[arg(short, long, value_name = "ADDRESS:PORT")]
    admin: Option<String>,
    /// URL of the store for balances, instead of store.url
    ///
    /// memory://, redis://HOST, rediss://HOST, redis+sentinel://HOST/SERVICE, redis+cluster://HOST, memcached://HOST
    /// and more. All users of this machine can see flags, so set a password in SLUICEGATE_STORE__URL instead.
    #[arg(short, long, value_name = "URL")]
    store: Option<String>,
    /// A limit on requests that match no route, instead of defaults.limits; can be repeated
    ///
    /// AMOUNT [UNIT] / [N] PERIOD [burst B], as in "10/minute", "100 per 5 minutes", "50/second burst 200"; or
    /// "8 concurrent"; or the name of a limit in the policy's [limits].
    #[arg(long = "limit", value_name = "QUOTA")]
    limits: Vec<String>,
    /// Format of logs, instead of gateway.log
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Columns, for people
    Pretty,
    /// One JSON object a line, for machines
    Json,
}

impl Serve {
    pub(super) fn run(&self) -> Outcome {
        let mut origin = self.origin()?;
        let policy = origin.read()?;
        log::init(policy.gateway.log);
        raise_open_files();
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(origin, policy))
    }

    fn origin(&self) -> Result<Origin, Box<dyn std::error::Error>> {
        let file = match &self.config {
            Some(file) => Some(file.clone()),
            None if Path::new(POLICY_FILE).exists() => Some(PathBuf::from(POLICY_FILE)),
            None if self.upstream.is_some() => None,
            None => return Err(NO_POLICY.into()),
        };
        Ok(Origin::new(file, self.overrides()))
    }

    fn overrides(&self) -> Overrides {
        let log = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        });
        let limits = (!self.limits.is_empty()).then(|| self.limits.join(","));
        let flags = [
            ("--listen", "gateway.listen", self.listen.as_deref()),
            ("--upstream", "gateway.upstream", self.upstream.as_deref()),
            ("--admin", "gateway.admin", self.admin.as_deref()),
            ("--store", "store.url", self.store.as_deref()),
            ("--limit", "defaults.limits", limits.as_deref()),
            ("--log-format", "gateway.log", log),
        ];
        let given = flags.into_iter().filter_map(|(name, setting, value)| Some((name, setting, value?)));
        given.fold(Overrides::default().environment(), |overrides, (name, setting, value)| {
            overrides.flag(name, setting, value)
        })
    }
}

/// Lets the process have as many open files as it may: the usual soft limit is for programs of another kind.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // It may be forbidden: then there are fewer connections.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

async fn serve(origin: Origin, policy: Policy) -> Outcome {
    // Before the gateway serves, so that no signal is met by the default of dying at once.
    let mut stop = Stop::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let upstreams: Vec<_> = policy.gateway.upstreams.iter().map(ToString::to_string).collect();
    let upstream = upstreams.join(", ");
    let store = policy.store.url.to_string();
    log::warnings(&policy);
    let gateway = Gateway::start_from(origin, policy).await?;
    let listen = (!upstream.is_empty()).then(|| tracing::field::display(gateway.address()));
    let decisions = gateway.decisions_address().map(tracing::field::display);
    let resp = gateway.resp_address().map(tracing::field::display);
    let upstream = Some(upstream).filter(|upstream| !upstream.is_empty());
    tracing::info!(listen, decisions, resp, admin = %gateway.admin_address(), upstream, store, "serving");
    loop {
        tokio::select! {
            () = stop.signal() => break,
            // It logs what became of it.
            _ = hangup.recv() => drop(gateway.reload().await),
        }
    }
    tracing::info!("draining; a second signal stops at once");
    tokio::select! {
        drained = gateway.drain() => tracing::info!(cut = drained.cut, "drained"),
        () = stop.signal() => tracing::warn!("stopped before the drain was over"),
    }
    Ok(())
}

/// The signals that mean: stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn signal(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

const NO_POLICY: &str = "\
no policy: there is no sluicegate.toml here
  help: write one with `sluicegate init`, name one with --config FILE, or give --upstream URL and --limit QUOTA, as in
        sluicegate --upstream http://127.0.0.1:8000 --limit 10/minute";

const EXAMPLES: &str = "\
Examples:
  sluicegate serve --config policy.toml
  sluicegate serve --upstream http://127.0.0.1:8000 --limit 10/minute --limit \"8 concurrent\"
  sluicegate serve --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 --log-format pretty
  SLUICEGATE_GATEWAY__UPSTREAM=http://model:8000 sluicegate serve

Then look at its metrics: curl http://127.0.0.1:9090/metrics";
