//! `sluicegate init`: writes a first policy for a model server.

mod model_server;
mod output;
mod template;
mod terminal;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;
use sluicegate::Quota;
use sluicegate_policy::Upstream;

use self::{model_server::ModelServer, output::Output, template::Template, terminal::Terminal};
use super::{Outcome, POLICY_FILE};

/// Writes a first policy for a model server
///
/// Asks for the server, its address and the quotas of each client, and writes a policy with comments: limits for the
/// server's endpoints, and how the server behaves under load. A flag answers its question. Without a terminal, nothing
/// is asked: --for is required, and other answers have defaults.
///
/// The policy is checked before it is written. An existing file is only replaced with --force.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Init {
    /// The server to protect
    #[arg(long = "for", value_name = "SERVER")]
    server: Option<ModelServer>,
    /// The address of the server
    #[arg(short, long, value_name = "URL")]
    upstream: Option<Upstream>,
    /// A quota of each client, as in "60/minute" or "200000 tokens/minute"; can be repeated
    ///
    /// Each replaces the policy's quota in the same unit. The others keep their defaults.
    #[arg(short, long = "quota", value_name = "QUOTA")]
    quotas: Vec<Quota>,
    /// The file to write; "-" is standard output
    #[arg(short, long, value_name = "FILE", default_value = POLICY_FILE, env = "SLUICEGATE_CONFIG")]
    output: PathBuf,
    /// Replaces the file if it exists
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(&self) -> Outcome {
        let output = Output::new(&self.output, self.force)?;
        let mut terminal = io::stdin().is_terminal().then_some(Terminal);
        let server = match (self.server, &mut terminal) {
            (Some(server), _) => server,
            (None, Some(terminal)) => terminal.ask(&ModelServer::question(), ModelServer::named)?,
            (None, None) => return Err(ModelServer::unnamed().into()),
        };
        let mut template = Template::new(server.policy())?;
        match (&self.upstream, &mut terminal) {
            (Some(upstream), _) => template.set_upstream(upstream)?,
            (None, Some(terminal)) => {
                let question = format!("Its address [{}]: ", template.upstream()?);
                terminal.ask(&question, |answer| match answer {
                    "" => Ok(()),
                    url => template.set_upstream(&url.parse().map_err(|error| format!("{error}"))?),
                })?;
            }
            (None, None) => {}
        }
        match &mut terminal {
            Some(terminal) if self.quotas.is_empty() => {
                let question = format!("The quotas of each client [{}]: ", template.quotas()?);
                terminal.ask(&question, |answer| match answer {
                    "" => Ok(()),
                    list => template.set_quotas(&Quota::parse_list(list).map_err(|error| error.to_string())?),
                })?;
            }
            _ => template.set_quotas(&self.quotas)?,
        }
        let (upstream, quotas) = (template.upstream()?, template.quotas()?);
        output.write(template.text())?;
        if let Some(file) = output.file() {
            writeln!(
                io::stdout(),
                "{file} is written: {} at {upstream}; for each client {quotas}.\n\
                 Check it with `sluicegate check {file}`, and serve with `sluicegate --config {file}`.",
                server.title(),
                file = file.display(),
            )?;
            if let Some(path) = template.warmup_path()? {
                writeln!(
                    io::stdout(),
                    "Until {path} answers, and while the server warms up, every limit is smaller: see [warmup] in the file."
                )?;
            }
        }
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  sluicegate init
  sluicegate init --for vllm --upstream http://gpu-1:8000 --output vllm.toml
  sluicegate init --for ollama --quota 10/minute --quota \"50000 tokens/minute\"
  sluicegate init --for triton --output - | less";
