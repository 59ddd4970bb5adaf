//! `cargo run --release -p axum-example`: trains the model and serves it on 127.0.0.1:8080.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use axum_example::{app, policy_file};
use demo::model::Models;
use sluicegate_tower::RateLimitLayer;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let layer = RateLimitLayer::builder()
        .policy_file(policy_file())
        .listener(|event| drop(writeln!(io::stderr(), "{event}")))
        .build()?;
    let models = Arc::new(Models::default());
    models.train();
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    writeln!(
        io::stdout(),
        "Try: curl -i http://{}/predict -H 'content-type: application/json' -d '{{\"input\": [5.1, 3.5, 1.4, 0.2]}}'",
        listener.local_addr()?
    )?;
    // The layer tells clients apart by the addresses that this passes on.
    let service = app(models, layer).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
