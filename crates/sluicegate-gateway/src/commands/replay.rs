//! `sluicegate replay`: logs, decided by a candidate policy.

mod progress_line;

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use http::{Method, Uri};
use sluicegate_policy::{ApiKeys, Overrides, Policy};
use sluicegate_replay::{Field, LogFormat, Report};

use super::Outcome;
use progress_line::ProgressLine;

/// Decides the requests of logs by a candidate policy
///
/// Reads access logs of nginx, Envoy or Caddy, a gateway's decision log, or CSV, in virtual time: a day takes seconds. Prints
/// how many requests each limit would deny, who would be hit most, and the longest wait.
///
/// The gateway's own code decides, on accounts in memory that begin full. Facts that a log does not hold, such as the
/// tokens of a request, are named in the report.
///
/// The exit code is 0 whatever is denied, and 1 if the policy or a file cannot be read.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Replay {
    /// The logs, plain or compressed by gzip; "-" is standard input
    #[arg(value_name = "LOG", required = true, value_hint = clap::ValueHint::FilePath)]
    logs: Vec<PathBuf>,
    /// The candidate policy
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: PathBuf,
    /// The format: auto, combined, envoy, caddy, decisions, csv, or nginx's log_format
    ///
    /// "auto" looks at the first line of each file. A text with variables such as '$remote_addr [$time_local] "$request"'
    /// is a log_format of nginx, and one with %START_TIME% a format string of Envoy.
    #[arg(short, long, value_name = "FORMAT", default_value = "auto")]
    format: LogFormat,
    /// A field, and the column or variable that holds it, as in "input_tokens=ContextTokens"; can be repeated
    ///
    /// The fields are time, end_time, request, method, path, client_ip, status, duration, duration_ms, api_key, tenant, tier,
    /// items, tokens, input_tokens, output_tokens, bytes, usd, header:NAME, cookie:NAME, query:NAME and body:/POINTER.
    #[arg(long = "field", value_name = "FIELD=NAME", value_parser = field)]
    fields: Vec<(Field, String)>,
    /// The request of records without a path, as in "POST /v1/chat/completions"
    #[arg(long, value_name = "REQUEST", value_parser = request)]
    request: Option<(Method, Uri)>,
    /// Also finds the quota with which each limit denies at most this share of its requests, as in "1%"
    #[arg(long, value_name = "SHARE", value_parser = share)]
    denials: Option<f64>,
    /// The number of keys to show for each limit, those that are denied most
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    keys: usize,
    /// Prints the report as one JSON object
    #[arg(long)]
    json: bool,
    /// Writes plots to a folder, as SVG; it is created if it does not exist
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    plot: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(&self) -> Outcome {
        let policy = Policy::load(&self.policy, Overrides::default())?;
        let api_keys = match &policy.identity.api_keys {
            // A log names its callers itself, so the file may be on another machine.
            Some(file) if file.exists() => ApiKeys::load_for(file, &policy.tiers)?,
            _ => ApiKeys::default(),
        };
        let mut replay =
            sluicegate_replay::Replay::new(policy, api_keys).format(self.format.clone()).keys(self.keys);
        for (field, name) in &self.fields {
            replay = replay.field(field.clone(), name);
        }
        if let Some((method, uri)) = &self.request {
            replay = replay.request(method.clone(), uri.clone());
        }
        if let Some(share) = self.denials {
            replay = replay.denials(share);
        }
        let line = io::stderr().is_terminal().then(|| ProgressLine);
        let report = replay.run(&self.logs, |progress| {
            if let Some(line) = &line {
                line.show(progress);
            }
        });
        drop(line);
        let report = report?;
        if let Some(folder) = &self.plot {
            plot(&report, folder)?;
        }
        let mut out = io::stdout();
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(())
    }
}

/// Writes the plots of a report to a folder.
fn plot(report: &Report, folder: &Path) -> Outcome {
    let unwritten = |path: &Path, error: io::Error| {
        format!("cannot write {}: {error}; choose another folder with --plot", path.display())
    };
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    for plot in report.plots() {
        let path = folder.join(format!("{}.svg", plot.name));
        fs::write(&path, plot.svg).map_err(|error| unwritten(&path, error))?;
    }
    Ok(())
}

/// Reads a field and the name of its column.
fn field(text: &str) -> Result<(Field, String), String> {
    let (field, name) = text.split_once('=').ok_or("write it as \"time=COLUMN\"")?;
    Ok((field.parse().map_err(|error| format!("{error}"))?, name.to_owned()))
}

/// Reads a method and a path.
fn request(text: &str) -> Result<(Method, Uri), String> {
    let help = || "write it as \"POST /v1/chat/completions\"".to_owned();
    let (method, path) = text.split_once(' ').ok_or_else(help)?;
    Ok((method.parse().map_err(|_| help())?, path.parse().map_err(|_| help())?))
}

/// Reads a share, such as `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().ok().map(|number| number / whole);
    share
        .filter(|share| (0.0..1.0).contains(share))
        .ok_or_else(|| "give a share from 0 % to below 100 %, such as 1% or 0.01".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  sluicegate replay --policy new.toml /var/log/nginx/access.log*
  sluicegate replay --policy new.toml --denials 1% --plot plots decisions.jsonl
  kubectl logs deploy/envoy | sluicegate replay --policy new.toml --json - | jq .limits

  nginx with its duration, and the tenant in a variable of its own
    sluicegate replay --policy new.toml access.log --field tenant=tenant \\
      --format '$remote_addr [$time_local] \"$request\" $status $request_time $tenant'

  CSV of tokens
    sluicegate replay --policy new.toml trace.csv --request \"POST /v1/chat/completions\" \\
      --field time=TIMESTAMP --field input_tokens=ContextTokens --field output_tokens=GeneratedTokens";
