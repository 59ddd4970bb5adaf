//! `sluicegate completions`, in a shell.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{run, succeeds};

#[test]
fn bash_completes_commands_and_flags() {
    assert!(completed(&["sluicegate", "ch"]).contains(&"check".to_owned()));
    assert!(completed(&["sluicegate", "key", "r"]).contains(&"revoke".to_owned()));
    assert!(completed(&["sluicegate", "serve", "--up"]).contains(&"--upstream".to_owned()));
    assert_eq!(completed(&["sluicegate", "serve", "--log-format", ""]), ["pretty", "json"]);
}

#[test]
fn bash_completes_files() {
    let file = TempDir::new().unwrap();
    let path = file.path().join("policy.toml");
    std::fs::write(&path, "").unwrap();
    let begun = file.path().join("pol").display().to_string();
    assert_eq!(completed(&["sluicegate", "serve", "--config", &begun]), [path.display().to_string()]);
}

#[test]
fn every_shell_gets_completions_of_its_own() {
    let folder = TempDir::new().unwrap();
    for (shell, begins) in [
        ("zsh", "#compdef sluicegate"),
        ("fish", "# Print an optspec"),
        ("elvish", "\nuse builtin;"),
        ("powershell", "\nusing namespace System.Management.Automation"),
    ] {
        let script = succeeds(run(folder.path(), &["completions", shell]));
        assert!(script.starts_with(begins) && script.contains("revoke"), "{shell}: {script}");
    }
}

#[test]
fn an_unknown_shell_is_told_which_there_are() {
    let folder = TempDir::new().unwrap();
    let Output { status, stderr, .. } = run(folder.path(), &["completions", "ksh"]);
    assert_eq!(status.code(), Some(2));
    assert!(
        String::from_utf8(stderr).unwrap().contains("[possible values: bash, elvish, fish, powershell, zsh]")
    );
}

/// Returns the completions that bash offers for the last word, as `complete` has bound them to the command.
fn completed(words: &[&str]) -> Vec<String> {
    let binary = env!("CARGO_BIN_EXE_sluicegate");
    let script = format!(
        r#"set -e
source <("{binary}" completions bash)
[[ $(complete -p sluicegate) =~ -F\ ([^ ]+) ]]
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"${{BASH_REMATCH[1]}}" sluicegate "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}" 2>/dev/null
printf '%s\n' "${{COMPREPLY[@]}}""#
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script, "bash"]).args(words);
    succeeds(bash.output().unwrap()).lines().map(str::to_owned).collect()
}
