//! A check of the servers.

use sluicegate::StoreError;

use crate::{
    dispatcher::Dispatcher,
    link::{Failure, Link, Pending, Reply},
};

/// Writes an item to every server and reads it again.
pub(crate) async fn servers(dispatcher: &Dispatcher) -> Result<(), StoreError> {
    let name = dispatcher.trial();
    let commands = format!("ms {name} 1 T60\r\n1\r\nmg {name} v c\r\n");
    let ask = |link: &Link| link.send(commands.clone().into_bytes(), 2, None);
    let asked: Vec<_> = dispatcher.links.iter().map(|link| (link.server().to_string(), ask(link))).collect();
    let mut worst = Ok(());
    for (server, pending) in asked {
        match one(&server, pending).await.map_err(|failure| failure.error()) {
            Err(error) if error.is_misconfiguration() => return Err(error),
            Err(error) if worst.is_ok() => worst = Err(error),
            _ => {}
        }
    }
    worst
}

async fn one(server: &str, pending: Pending) -> Result<(), Failure> {
    let gone = |_| Err(Failure::new("the runtime of the store is shutting down"));
    let answers = pending.await.unwrap_or_else(gone)?;
    match answers.replies.as_slice() {
        [Reply::Done, Reply::Value { cas: 1.., .. }] => Ok(()),
        [Reply::Done, Reply::Value { .. }] => Err(Failure::misconfigured(format!(
            "memcached at {server} was started with -C, so that nobody can tell whether an item was changed; start it \
             without"
        ))),
        [Reply::Refused(why), _] => Err(Failure::new(format!("memcached at {server} keeps nothing: {why}"))),
        other => Err(Failure::new(format!("memcached at {server} does not keep a value: {other:?}"))),
    }
}
