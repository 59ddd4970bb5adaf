//! `sluicegate man`.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

use super::{Cli, NAME, Outcome};

/// Prints the manual page of a command, or writes all pages to a folder
///
/// A package of Sluicegate installs them already: `man sluicegate`, `man sluicegate-serve`.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Man {
    /// The command, as in "key new" [default: sluicegate itself]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Folder for the pages of all commands; it is created if it does not exist
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    output: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Outcome {
        let mut cli = Cli::command().disable_help_subcommand(true);
        // Gives every command its full name, as in "sluicegate key new".
        cli.build();
        match &self.output {
            Some(folder) => write_all(&cli, folder),
            None => Ok(io::stdout().write_all(&page(find(&cli, &self.command)?)?)?),
        }
    }
}

/// Finds a command by its names, the outermost first.
fn find<'a>(cli: &'a Command, names: &[String]) -> Result<&'a Command, String> {
    names.iter().try_fold(cli, |command, name| {
        command.find_subcommand(name).ok_or_else(|| {
            let known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            let parent = command.get_bin_name().unwrap_or(NAME);
            format!("`{parent}` has no command `{name}`\n  help: {known}")
        })
    })
}

/// Writes the pages of a command and all below it.
fn write_all(command: &Command, folder: &Path) -> Outcome {
    let unwritten = |path: &Path, error: io::Error| -> Box<dyn Error> {
        format!("cannot write {}: {error}; choose another folder with --output", path.display()).into()
    };
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    let path = folder.join(Page::new(command.clone()).get_filename());
    fs::write(&path, page(command)?).map_err(|error| unwritten(&path, error))?;
    command.get_subcommands().try_for_each(|below| write_all(below, folder))
}

/// The manual page of one command, in roff.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone());
    let mut out = Vec::new();
    // A page is the same whenever it is made, so it has no date. The generator would leave that field out.
    let name = command.get_display_name().unwrap_or(NAME);
    writeln!(out, r#".TH {name} 1 "" "{NAME} {}" "User Commands""#, env!("CARGO_PKG_VERSION"))?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut out)?;
    }
    if let Some(examples) = command.get_after_long_help() {
        examples_section(&examples.to_string()).to_writer(&mut out)?;
    }
    Ok(out)
}

/// The examples after a command's help, line by line as they are.
fn examples_section(text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in text.lines().skip_while(|line| *line == "Examples:") {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

const EXAMPLES: &str = "\
Examples:
  sluicegate man serve | man -l -
  sluicegate man key new | man -l -
  sluicegate man --output /usr/local/share/man/man1";
