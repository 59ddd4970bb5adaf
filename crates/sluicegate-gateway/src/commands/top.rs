//! `sluicegate top`.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::Args;
use sluicegate_policy::file::Period;
use sluicegate_top::{AdminPort, once, watch};

use super::Outcome;

/// Shows a running gateway live in the terminal
///
/// It shows requests and denials by route and limit, the keys that are denied most, upstreams and the store, all from the
/// gateway's admin port. Press ? for the keys.
///
/// The denied keys require gateway.admin_token if the policy has one. Everything else is shown without it. NO_COLOR turns
/// colours off.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Top {
    /// The gateway's admin port
    #[arg(
        short,
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9090",
        env = "SLUICEGATE_GATEWAY__ADMIN"
    )]
    admin: AdminPort,
    /// The policy's gateway.admin_token
    ///
    /// All users of this machine can see flags, so set it in SLUICEGATE_GATEWAY__ADMIN_TOKEN instead.
    #[arg(long, value_name = "TOKEN", env = "SLUICEGATE_GATEWAY__ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Time from one look to the next, from 100ms to 1h
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Looks for one interval, prints plain text and ends
    #[arg(long)]
    once: bool,
}

impl Top {
    pub(super) fn run(&self) -> Outcome {
        if !self.once && !io::stdout().is_terminal() {
            return Err(NO_TERMINAL.into());
        }
        let admin = match self.token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => self.admin.clone().with_token(token)?,
            None => self.admin.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if self.once {
            let text = runtime
                .block_on(once(&admin, self.interval))
                .map_err(|unanswered| format!("{unanswered}\n{NO_GATEWAY}"))?;
            io::stdout().write_all(text.as_bytes())?;
            return Ok(());
        }
        let has_colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        runtime.block_on(watch(admin, self.interval, has_colours))?;
        Ok(())
    }
}

/// Reads an interval, such as `500ms`, `2s` or `1m`.
fn interval(text: &str) -> Result<Duration, &'static str> {
    let Period(time) = text.parse().map_err(|_| NO_INTERVAL)?;
    if (SHORTEST..=LONGEST).contains(&time) { Ok(time) } else { Err(NO_INTERVAL) }
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3_600);

const NO_GATEWAY: &str = "  help: start a gateway, or name the admin port of a running one with --admin: its first log line has it";

const NO_INTERVAL: &str = "give a time from 100ms to 1h, such as 500ms, 2s or 1m";

const NO_TERMINAL: &str = "\
standard output is no terminal
  help: for plain text, as for a file or a pipe, use sluicegate top --once";

const EXAMPLES: &str = "\
Examples:
  sluicegate top
  sluicegate top --interval 5s
  sluicegate top --once | grep DOWN

  A gateway on another machine, through a tunnel
    ssh -N -L 9090:127.0.0.1:9090 gateway &
    sluicegate top";
