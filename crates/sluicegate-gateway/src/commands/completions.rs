//! `sluicegate completions SHELL`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, NAME, Outcome};

/// Prints completions for a shell
///
/// With them, Tab completes commands, flags and files.
///
/// A package of Sluicegate installs them already.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Outcome {
        // Collected first, because the generator panics if its writer fails, as it does in `… | head`.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), NAME, &mut script);
        io::stdout().write_all(&script)?;
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  For bash, zsh and fish, in the folders where they look for completions; zsh, if ~/.zshrc has
  fpath+=~/.zfunc before compinit
    sluicegate completions bash > ~/.local/share/bash-completion/completions/sluicegate
    sluicegate completions zsh > ~/.zfunc/_sluicegate
    sluicegate completions fish > ~/.config/fish/completions/sluicegate.fish

  For this session of bash alone
    source <(sluicegate completions bash)";
