//! Everything that `serve` needs at its start beside a good policy.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};
use std::path::Path;

use rustix::fs::{Access, access};
use sluicegate::StoreError;
use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{ApiKeys, Diagnostic, Diagnostics, Policy, Source, StoreSettings};
use sluicegate_stores::AnyStore;

/// A look at everything that serving needs at its start: the files that the policy names, the store, the addresses.
pub(super) struct StartCheck<'p> {
    pub(super) source: &'p Source,
    pub(super) policy: &'p Policy,
    /// Also asks the store, and this machine for its addresses.
    pub(super) connect: bool,
}

impl StartCheck<'_> {
    /// The API keys, if the policy names a file of them.
    ///
    /// # Errors
    ///
    /// Everything that would keep the gateway from starting.
    pub(super) fn run(&self) -> Result<Option<ApiKeys>, Diagnostics> {
        let mut wrong: Vec<_> = self.tls_files();
        let api_keys = self.api_keys().unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        wrong.extend(self.store());
        wrong.extend(self.decision_log());
        wrong.extend(self.telemetry());
        if self.connect {
            let gateway = &self.policy.gateway;
            if !gateway.upstreams.is_empty() || self.policy.decisions.is_none() {
                wrong.extend(self.address("gateway.listen", gateway.listen.ip()));
            }
            if let Some(decisions) = &self.policy.decisions {
                wrong.extend(self.address("decisions.listen", decisions.listen.ip()));
                wrong.extend(decisions.resp.and_then(|resp| self.address("decisions.resp", resp.ip())));
            }
            wrong.extend(self.address("gateway.admin", gateway.admin.ip()));
        }
        if wrong.is_empty() { Ok(api_keys) } else { Err(wrong.into_iter().collect()) }
    }

    fn tls_files(&self) -> Vec<Diagnostic> {
        let wrong = Gateway::wrong_tls_files(self.policy);
        wrong.iter().map(|error| self.source.wrong_file(error.file(), error.to_string())).collect()
    }

    fn api_keys(&self) -> Result<Option<ApiKeys>, Diagnostic> {
        let Some(file) = &self.policy.identity.api_keys else { return Ok(None) };
        ApiKeys::load_for(file, &self.policy.tiers).map(Some).map_err(|error| match error.io_error() {
            None => Diagnostic::from(&error),
            Some(why) => {
                let missing = why.kind() == ErrorKind::NotFound;
                let help = "`sluicegate key new --tenant NAME` makes the file, with a first key".to_owned();
                let message = if missing {
                    format!("there is no file {}", file.display())
                } else {
                    format!("{} cannot be read: {why}", file.display())
                };
                let wrong = self.source.wrong_setting("identity.api_keys", message);
                Diagnostic { help: missing.then_some(help), ..wrong }
            }
        })
    }

    fn store(&self) -> Option<Diagnostic> {
        let settings = &self.policy.store;
        let wrong = |setting: &str, error: StoreError| {
            Some(self.source.wrong_setting(setting, StartError::Store(error).to_string()))
        };
        if let Err(error) = AnyStore::understand(&StoreSettings { ca: None, ..settings.clone() }) {
            return wrong("store.url", error);
        }
        if let Err(error) = AnyStore::understand(settings) {
            return wrong("store.ca", error);
        }
        match self.connect.then(|| connect(settings)) {
            None | Some(Ok(())) => None,
            Some(Err(error)) if error.is_misconfiguration() => wrong("store.url", error),
            Some(Err(error)) => {
                Some(self.source.wrong_setting("store.url", format!("the store does not answer: {error}")))
            }
        }
    }

    fn telemetry(&self) -> Option<Diagnostic> {
        let error = Gateway::wrong_telemetry(self.policy.telemetry.as_ref()?)?;
        Some(self.source.wrong_setting("telemetry", error.to_string()))
    }

    /// Nothing is made: the file need not be there, if it can be.
    fn decision_log(&self) -> Option<Diagnostic> {
        let path = &self.policy.decision_log.as_ref()?.path;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let name = path.display();
        let message = match OpenOptions::new().append(true).open(path) {
            Ok(file) if file.metadata().is_ok_and(|found| found.is_file()) => return None,
            Ok(_) => format!("{name} is not a regular file"),
            Err(error) if error.kind() != ErrorKind::NotFound => format!("{name} cannot be written: {error}"),
            Err(_) => match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => return None,
                Err(error) => format!("{name} cannot be made: {}", std::io::Error::from(error)),
            },
        };
        let help = "give a file in a folder that the gateway may write to".to_owned();
        Some(Diagnostic { help: Some(help), ..self.source.wrong_setting("decision_log.path", message) })
    }

    /// The port is not tried: the gateway that is to be replaced may listen on it.
    fn address(&self, setting: &str, ip: IpAddr) -> Option<Diagnostic> {
        let error = TcpListener::bind((ip, 0)).err()?;
        let message = match error.kind() {
            ErrorKind::AddrNotAvailable => format!("this machine has no address {ip}"),
            _ => format!("cannot listen on {ip}: {error}"),
        };
        let help = "give an address that it has, or \"0.0.0.0\" or \"[::]\" for all of them".to_owned();
        Some(Diagnostic { help: Some(help), ..self.source.wrong_setting(setting, message) })
    }
}

/// Opens the store, asks it once and leaves it.
fn connect(settings: &StoreSettings) -> Result<(), StoreError> {
    let store = AnyStore::open(settings, |_| ())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime =
        runtime.map_err(|error| StoreError::new(format!("nothing to wait for it with: {error}")))?;
    runtime.block_on(store.check())
}
