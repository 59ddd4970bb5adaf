//! The demo: a model server, and the gateway before it.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use sluicegate_gateway::{Drained, Gateway};
use sluicegate_policy::{Overrides, Policy, Source};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::guide::Page;
use crate::model::Models;
use crate::model_server;

/// The addresses that the demo listens on.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The gateway: where clients connect.
    pub gateway: SocketAddr,
    /// The gateway's health and metrics.
    pub admin: SocketAddr,
    /// The model server, which the gateway protects.
    pub model: SocketAddr,
}

impl Addresses {
    /// The usual ports of this machine: 8080, 9090 and 8000, each replaced by a free one if it is taken.
    pub async fn usual() -> Self {
        Self { gateway: free(8080).await, admin: free(9090).await, model: free(8000).await }
    }

    /// Any free ports of this machine.
    pub fn any() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { gateway: any, admin: any, model: any }
    }
}

/// A model server, and the gateway before it.
#[derive(Debug)]
pub struct Demo {
    addresses: Addresses,
    model_server: JoinHandle<()>,
    gateway: Gateway,
}

impl Demo {
    /// Starts both at these addresses, by the policy of `source`. The models may be trained before or after.
    ///
    /// # Errors
    ///
    /// When the policy is wrong, or an address is taken.
    pub async fn start(
        source: Source,
        addresses: Addresses,
        models: Arc<Models>,
    ) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind(addresses.model).await;
        let listener = listener
            .map_err(|error| format!("the model server cannot listen on {}: {error}", addresses.model))?;
        let model = listener.local_addr()?;
        let overrides = Overrides::default()
            .flag("the demo's gateway address", "gateway.listen", &addresses.gateway.to_string())
            .flag("the demo's admin address", "gateway.admin", &addresses.admin.to_string())
            .flag("the demo's model address", "gateway.upstream", &format!("http://{model}"));
        let gateway = Gateway::start(Policy::parse(&source.with(overrides))?).await?;
        let addresses = Addresses { gateway: gateway.address(), admin: gateway.admin_address(), model };
        let server = axum::serve(listener, model_server::router(models, &Page::of(addresses)));
        let model_server = tokio::spawn(async {
            // It serves until the demo ends: accepting a connection is tried again after every error.
            let _ = server.await;
        });
        Ok(Self { addresses, model_server, gateway })
    }

    /// The addresses that it listens on, with real ports.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Lets the gateway finish what it has accepted, then stops the model server.
    pub async fn drain(self) -> Drained {
        let drained = self.gateway.drain().await;
        self.model_server.abort();
        drained
    }
}

/// The demo's policy in its source tree, where it can be changed between two starts.
pub fn policy_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("demo.toml")
}

/// This port if nobody has it, else any.
async fn free(port: u16) -> SocketAddr {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The probe is closed at once. That somebody takes the port in this moment is told as an error by whoever binds it.
    match TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}
