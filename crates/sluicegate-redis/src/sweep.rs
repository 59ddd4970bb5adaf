//! Forgetting every account.

use std::collections::HashMap;

use redis::{Pipeline, RedisError, RedisResult};
use sluicegate::StoreError;
use tokio::runtime::Handle;

use crate::{
    address::Kind as Arrangement,
    error::explained,
    key_names::{KeyNames, Kind},
    link::{Failure, Link},
    redirect::Redirect,
    servers::{Endpoint, Servers},
    topology::Topology,
};

/// Finds all accounts and deletes them, over connections of its own, so that takes do not wait for it.
pub(crate) struct Sweep {
    pub(crate) servers: Servers,
    pub(crate) names: KeyNames,
    pub(crate) runtime: Handle,
}

impl Sweep {
    /// Deletes every account but those of concurrent limits, whose names it gives: those who hold slots are to learn that
    /// they were reset. It also gives those that are on their way to another node.
    pub(crate) async fn run(&self) -> Result<Vec<String>, StoreError> {
        let (servers, names) = (self.servers.clone(), self.names.clone());
        let swept = self.runtime.spawn(async move {
            let (pattern, mut left) = (names.pattern(), Vec::new());
            for primary in primaries(&servers).await? {
                let (mut link, _) = servers.connect(&primary).await?;
                sweep(&mut link, &names, &pattern, &mut left).await?;
            }
            Ok::<_, RedisError>(left)
        });
        match swept.await {
            Ok(swept) => swept.map_err(|error| explained(&error, &self.servers.address.server_info(), false)),
            Err(_) => Err(StoreError::new("the runtime of the store was shut down")),
        }
    }
}

/// The servers that keep accounts.
async fn primaries(servers: &Servers) -> RedisResult<Vec<Endpoint>> {
    if !matches!(servers.address.kind, Arrangement::Cluster(_)) {
        return Ok(vec![servers.primary().await?]);
    }
    let topology = Topology::learn(servers.clone(), Vec::new(), servers.seeds().to_vec()).await?;
    let mut primaries: Vec<Endpoint> = Vec::new();
    for (_, node) in topology.owners {
        let primary = Endpoint::Tcp(node);
        if !primaries.contains(&primary) {
            primaries.push(primary);
        }
    }
    Ok(primaries)
}

/// Sweeps one server, page by page, so that whatever else is asked of it is done in between.
async fn sweep(link: &mut Link, names: &KeyNames, pattern: &str, left: &mut Vec<String>) -> RedisResult<()> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let page = link.call(&scan).await.map_err(|failure| failure.error)?;
        let (next, page): (u64, Vec<String>) = redis::from_redis_value(page)?;
        // One slot of a cluster at a time.
        let mut slots: HashMap<u16, Vec<String>> = HashMap::new();
        for name in page {
            match Kind::of(&name) {
                Some(Kind::Concurrent) => left.push(name),
                // It ends by itself, and until then a settlement is not made twice.
                Some(Kind::Mark) => {}
                _ => slots.entry(names.slot(&name)).or_default().push(name),
            }
        }
        unlink(link, slots.into_values().collect(), left).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Deletes accounts, and leaves those that are elsewhere by now.
async fn unlink(link: &mut Link, slots: Vec<Vec<String>>, left: &mut Vec<String>) -> RedisResult<()> {
    if slots.is_empty() {
        return Ok(());
    }
    let mut calls = Pipeline::new();
    for names in &slots {
        calls.cmd("UNLINK").arg(names);
    }
    let answers = link.call_all(&calls, 0).await.map_err(|Failure { error, .. }| error)?;
    for (names, answer) in slots.into_iter().zip(answers) {
        match answer.extract_error() {
            Err(error) if Redirect::of(&error, "").is_none() => return Err(error),
            Err(_) => left.extend(names),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Keys that are looked at in one call: what Redis does in less than a millisecond.
const PAGE: usize = 1_000;
