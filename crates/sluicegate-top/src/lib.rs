//! A live view of a gateway in the terminal: requests, denials, the most denied keys, upstreams and the store.
//!
//! It knows the gateway only by its admin port, so it can watch one on another machine, of another version.

mod admin_port;
mod exposition;
mod header;
mod histogram;
mod increase;
mod live;
mod model;
mod plain;
mod quantity;
mod screen;
mod snapshot;
mod table;
mod terminal;
mod view;

#[cfg(test)]
mod tests;

use std::{io, time::Duration};

pub use admin_port::{AdminPort, Unanswered, Unusable};

/// Shows a gateway in the terminal, with news after each interval, until the person there leaves.
///
/// A gateway that does not respond is named as such, and waited for.
///
/// # Errors
///
/// When there is no terminal, or it goes away.
pub async fn watch(admin: AdminPort, interval: Duration, has_colours: bool) -> io::Result<()> {
    live::live(admin, interval, has_colours).await
}

/// Looks at a gateway twice, one interval apart, and returns its state and the rates in between as plain text.
///
/// # Errors
///
/// The reason that the gateway did not respond.
pub async fn once(admin: &AdminPort, interval: Duration) -> Result<String, Unanswered> {
    let before = admin.snapshot().await?;
    tokio::time::sleep(interval).await;
    let now = admin.snapshot().await?;
    Ok(plain::plain(&model::Model::of(Some(&before), &now)))
}
