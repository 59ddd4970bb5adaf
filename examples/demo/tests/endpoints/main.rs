//! The demo's endpoints through real sockets: client, gateway, model server and back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod limits;
mod metrics;
mod refusals;
mod warmup;

use std::sync::{Arc, OnceLock};

use client::Client;
use demo::model::Models;
use demo::{Addresses, Demo, policy_file};
use sluicegate_policy::Source;

/// The demo with trained models and without warm-up.
async fn warm_demo() -> Demo {
    start(&policy().replace("[warmup]\nscale = 0.2 ", "[warmup]\nscale = 1.0 "), trained()).await
}

/// The demo by this policy, and a client of it.
async fn start(policy: &str, models: Arc<Models>) -> Demo {
    // Under its own name, so that the keys beside it are found.
    let source = Source::new(&policy_file().display().to_string(), policy.as_bytes()).unwrap();
    Demo::start(source, Addresses::any(), models).await.unwrap()
}

fn policy() -> String {
    std::fs::read_to_string(policy_file()).unwrap()
}

/// The models, trained once for all tests.
fn trained() -> Arc<Models> {
    static MODELS: OnceLock<Arc<Models>> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let models = Models::default();
        models.train();
        Arc::new(models)
    });
    Arc::clone(models)
}

/// The client that most tests need: the first of the loopback network.
fn client(demo: &Demo) -> Client {
    Client::new(1, demo.addresses().gateway)
}
