//! A server's process.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::polling::until;

/// A process that ends with its value, or else with this process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guardian: Guardian,
    paused: bool,
    log: PathBuf,
    /// The previous length of the log.
    logged: usize,
}

impl Process {
    /// Starts `program` in `folder`, which is deleted if this process ends without dropping the value. What it prints
    /// is [`log`]. The environment is this process's, and what is added to it.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: Vec<(&'static str, OsString)>,
        folder: &Path,
    ) -> io::Result<Self> {
        let log = folder.join(LOG);
        let logged = read(&log).len();
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .args(arguments)
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let guardian = Guardian::watch(&child, folder)?;
        Ok(Self { child, guardian, paused: false, log, logged })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers; none where it ended because its port was taken.
    ///
    /// # Panics
    ///
    /// When it ended for another reason, or does not answer.
    pub(crate) fn ready(mut self, mut answers: impl FnMut(u32) -> bool) -> Option<Self> {
        let (log, pid) = (self.log.clone(), self.pid());
        let up = until(
            "the server answers",
            || read(&log),
            || {
                if let Some(status) = self.ended() {
                    let log = read(&log);
                    let taken = log[self.logged..].contains("Address already in use");
                    assert!(taken, "the server ended ({status}):\n{log}");
                    return Some(false);
                }
                answers(pid).then_some(true)
            },
        );
        up.then_some(self)
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It fails only for one that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end, which writes what it has to write, and waits until it is gone.
    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::TERM);
        // A paused process hears nothing else.
        self.signal(Signal::CONT);
        let log = self.log.clone();
        until("the server ends after SIGTERM", || read(&log), || self.ended());
    }

    /// Stops it where it is, as if the machine hung. Returns once it has stopped.
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
        self.paused = true;
        let stat = format!("/proc/{}/stat", self.pid());
        // The state is behind the name, which stands in parentheses.
        let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
        until("the server is paused", String::new, || {
            // Where there is no /proc, the signal has to do.
            fs::read_to_string(&stat).map_or(Some(()), |stat| stopped(stat).then_some(()))
        });
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
        self.paused = false;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn signal(&mut self, signal: Signal) {
        // Asked first: the number of a process that is gone may be another's by now.
        if let Some(status) = self.ended() {
            panic!("the server has ended already ({status}):\n{}", read(&self.log));
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child may be signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.guardian.dismiss();
    }
}

/// A shell that ends the process when ours does, however that happens: it reads from a pipe that only we hold open.
#[derive(Debug)]
struct Guardian(Child);

impl Guardian {
    fn watch(child: &Child, folder: &Path) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", r#"trap "" INT TERM HUP; read -r _; kill -9 "$0"; rm -rf "$1""#])
            .arg(child.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(shell))
    }

    fn dismiss(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The output of all processes that ran in this folder.
pub(crate) fn log(folder: &Path) -> String {
    read(&folder.join(LOG))
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

const LOG: &str = "log";
