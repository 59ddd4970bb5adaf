//! Forgetting every account.

use redis::{Cmd, RedisResult};
use sluicegate::StoreError;
use tokio::runtime::Handle;

use crate::{
    address::Address,
    error::explained,
    link::{Link, Primary, Servers},
    names::Kind,
};

/// Finds all accounts and deletes them, over a connection of its own: nobody who takes waits for it.
pub(crate) struct Sweep {
    pub(crate) address: Address,
    pub(crate) servers: Servers,
    /// What the names of all accounts match.
    pub(crate) pattern: String,
    pub(crate) runtime: Handle,
}

impl Sweep {
    /// Deletes every account but those of concurrent limits, whose names it gives: those who hold slots are to learn that
    /// they were reset.
    pub(crate) async fn run(&self) -> Result<Vec<String>, StoreError> {
        let (servers, pattern) = (self.servers.clone(), self.pattern.clone());
        let swept = self.runtime.spawn(async move {
            let (mut link, mut held) = (servers.connect().await?, Vec::new());
            for primary in link.primaries().await? {
                sweep(&mut link, &primary, &pattern, &mut held).await?;
            }
            Ok(held)
        });
        match swept.await {
            Ok(swept) => swept.map_err(|error| explained(&error, &self.address)),
            Err(_) => Err(StoreError::new("the runtime of the store was shut down")),
        }
    }
}

/// Sweeps one server, page by page, so that whatever else is asked of it is done in between.
async fn sweep(link: &mut Link, primary: &Primary, pattern: &str, held: &mut Vec<String>) -> RedisResult<()> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let (next, names): (u64, Vec<String>) = redis::from_redis_value(link.call_at(primary, scan).await?)?;
        let mut unlink = redis::cmd("UNLINK");
        for name in names {
            match name.bytes().next_back() {
                Some(kind) if kind == Kind::Concurrent.letter() => held.push(name),
                // It ends by itself, and until then a settlement is not made twice.
                Some(kind) if kind == Kind::Mark.letter() => {}
                _ => drop(unlink.arg(name)),
            }
        }
        if has_arguments(&unlink) {
            // By slots, where it is a cluster.
            link.call(&unlink).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

fn has_arguments(command: &Cmd) -> bool {
    command.args_iter().nth(1).is_some()
}

/// Keys that are looked at in one call: what Redis does in less than a millisecond.
const PAGE: usize = 1_000;
