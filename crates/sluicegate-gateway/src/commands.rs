//! The command line: one file for each command.

mod check;
mod completions;
mod explain;
mod findings;
mod init;
mod key;
mod man;
mod replay;
mod schema;
mod serve;
mod start_check;
mod summary;
mod top;

use std::error::Error;
use std::fmt;

use clap::{Parser, Subcommand};

/// The result of a command. Its error is printed as it is, to standard error, and makes the exit code 1.
type Outcome = Result<(), Box<dyn Error>>;

/// The error of a command that has printed its cause: only the exit code is left to set.
#[derive(Debug)]
pub(crate) struct AlreadyTold;

impl fmt::Display for AlreadyTold {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Error for AlreadyTold {}

/// Exact rate limits in front of any machine-learning server.
///
/// Sluicegate is a proxy: clients connect to it, and it forwards the requests that the policy admits. Requests over a
/// limit get a 429 with the time to wait, and never reach the server.
///
/// Without a command, it serves.
#[derive(Debug, Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Init(init::Init),
    Check(check::Check),
    Explain(explain::Explain),
    Replay(replay::Replay),
    Schema(schema::Schema),
    #[command(subcommand)]
    Key(key::Key),
    Top(top::Top),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(&self) -> Outcome {
        match &self.command {
            None => self.serve.run(),
            Some(Command::Serve(serve)) => serve.run(),
            Some(Command::Init(init)) => init.run(),
            Some(Command::Check(check)) => check.run(),
            Some(Command::Explain(explain)) => explain.run(),
            Some(Command::Replay(replay)) => replay.run(),
            Some(Command::Schema(schema)) => schema.run(),
            Some(Command::Key(key)) => key.run(),
            Some(Command::Top(top)) => top.run(),
            Some(Command::Completions(completions)) => completions.run(),
            Some(Command::Man(man)) => man.run(),
        }
    }
}

/// The name of the command.
const NAME: &str = "sluicegate";

/// The policy file that is read when none is named.
const POLICY_FILE: &str = "sluicegate.toml";

const EXAMPLES: &str = "\
Examples:
  One limit for everybody, without a file: 10 requests a minute for each client address
    sluicegate --upstream http://127.0.0.1:8000 --limit 10/minute

  The policy in ./sluicegate.toml
    sluicegate

  A first policy for a server, with comments
    sluicegate init --for vllm --upstream http://127.0.0.1:8000

  Check a policy, and show its meaning
    sluicegate check sluicegate.toml

  The decision on a request, and why
    sluicegate explain --request \"POST /predict\" -d @body.json

  A changed policy, tried on the requests of an access log
    sluicegate replay --policy new.toml /var/log/nginx/access.log*

  A key for a customer, shown once
    sluicegate key new --tenant acme --tier premium

Every setting of the policy file can also be given in the environment:
SLUICEGATE_, its table, two underscores, its name, as in
SLUICEGATE_GATEWAY__UPSTREAM or SLUICEGATE_STORE__MAX_KEYS. The environment
wins over the file, and flags win over both. SLUICEGATE_LOG sets the level of
the log: error, warn, info or debug.";
