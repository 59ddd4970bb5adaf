//! `cargo run --release -p mock-model`: serves the dialects of model servers, without a model.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use mock_model::{MockModel, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

/// A model server without a model, to try token limits on.
///
/// It speaks the dialects of OpenAI (chat completions, completions, responses, embeddings), Anthropic (messages) and
/// Ollama (chat, generate), and is a classifier, too (predict, predict/batch). A request can override each setting by
/// a header field: `x-mock-pause-ms: 20`.
#[derive(Debug, Parser)]
#[command(name = "mock-model", version)]
struct Cli {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    listen: SocketAddr,

    #[command(flatten)]
    settings: Settings,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { listen, settings } = Cli::parse();
    let Err(error) = serve(listen, settings).await else { return ExitCode::SUCCESS };
    // Where standard error is closed, the exit code is all that can still be told.
    let _ =
        writeln!(io::stderr(), "cannot listen on {listen}: {error}; choose another address with --listen");
    ExitCode::FAILURE
}

async fn serve(listen: SocketAddr, settings: Settings) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    // Thousands of streams need as many files. Where more are not allowed, the server has as many as before.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let listener = TcpListener::bind(listen).await?;
    writeln!(
        io::stdout(),
        "The mock model listens on http://{}. Its books: /control/ledger",
        listener.local_addr()?
    )?;
    MockModel::new(settings).serve(listener).await
}
