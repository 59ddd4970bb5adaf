//! Forgetting accounts.

use std::collections::HashMap;

use sluicegate::StoreError;

use crate::{
    dispatcher::Dispatcher,
    link::{Failure, Reply},
    location::Location,
};

/// Deletes the items of accounts. A writer that has read one before finds, when it writes, that it has changed.
pub(crate) async fn accounts(dispatcher: &Dispatcher, locations: &[Location]) -> Result<(), StoreError> {
    let mut commands = HashMap::<usize, (Vec<u8>, usize)>::new();
    for Location { name, server } in locations {
        let (bytes, answers) = commands.entry(*server).or_default();
        bytes.extend(format!("md {name}\r\n").into_bytes());
        *answers += 1;
    }
    // All servers are asked before any is waited for.
    let asked: Vec<_> = commands
        .into_iter()
        .map(|(server, (bytes, answers))| (server, dispatcher.links[server].send(bytes, answers, None)))
        .collect();
    for (server, pending) in asked {
        let gone = |_| Err(Failure::new("the runtime of the store is shutting down"));
        let answers = pending.await.unwrap_or_else(gone).map_err(|failure| failure.at(server).error())?;
        for reply in answers.replies {
            if !matches!(reply, Reply::Done | Reply::Not) {
                return Err(StoreError::new(format!("memcached could not delete an account: {reply:?}")));
            }
        }
    }
    Ok(())
}
