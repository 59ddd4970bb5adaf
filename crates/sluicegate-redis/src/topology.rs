//! A cluster's own description.

use std::{ops::RangeInclusive, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use redis::{ErrorKind, RedisError, RedisResult, Value};
use tokio::time::sleep;

use crate::{
    address::Node,
    link::Link,
    servers::{Endpoint, Servers},
};

/// The owners of all slots, as one node of a cluster sees them.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Topology {
    pub(crate) owners: Vec<(RangeInclusive<u16>, Node)>,
}

impl Topology {
    /// Asks the nodes that are connected, and then those at other addresses. A node that does not answer at once is
    /// not waited for before the next is asked.
    pub(crate) async fn learn(
        servers: Servers,
        connected: Vec<(Node, Link)>,
        others: Vec<Node>,
    ) -> RedisResult<Self> {
        let mut questions: Vec<BoxFuture<'static, RedisResult<Self>>> = Vec::new();
        for (node, link) in connected {
            questions.push(Box::pin(async move { Self::ask(link, &node).await }));
        }
        for node in others {
            let servers = servers.clone();
            questions.push(Box::pin(async move {
                let (link, _) = servers.connect(&Endpoint::Tcp(node.clone())).await?;
                Self::ask(link, &node).await
            }));
        }
        first_of(questions).await
    }

    async fn ask(mut link: Link, asked: &Node) -> RedisResult<Self> {
        let answer = link.call(redis::cmd("CLUSTER").arg("SLOTS")).await.map_err(|failure| failure.error)?;
        let topology = Self::read(&answer, asked);
        topology
            .filter(|topology| !topology.owners.is_empty())
            .ok_or_else(|| (ErrorKind::Client, "a node of the cluster knows no owner of any slot").into())
    }

    /// Reads the answer to `CLUSTER SLOTS`: of each range the first slot, the last, the primary and its replicas.
    fn read(answer: &Value, asked: &Node) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut owners = Vec::with_capacity(ranges.len());
        for range in ranges {
            let Value::Array(range) = range else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice() else {
                return None;
            };
            let slots = u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?;
            owners.push((slots, node(primary, asked)?));
        }
        Some(Self { owners })
    }
}

/// A node as `CLUSTER SLOTS` tells it: host, port, identity and other names.
fn node(told: &[Value], asked: &Node) -> Option<Node> {
    let [host, Value::Int(port), rest @ ..] = told else { return None };
    let host = match text(host).unwrap_or_default() {
        // It is as near as the node that was asked.
        "" => asked.host.clone(),
        // It should go by a name and has none.
        "?" => other_name(rest, "ip").unwrap_or(&asked.host).to_owned(),
        host => host.to_owned(),
    };
    Some(Node { host, port: u16::try_from(*port).ok()? })
}

fn other_name<'v>(told: &'v [Value], kind: &str) -> Option<&'v str> {
    let Some(Value::Array(names)) = told.get(1) else { return None };
    names.chunks_exact(2).find(|name| text(&name[0]) == Some(kind)).and_then(|name| text(&name[1]))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The first good answer. Each question is asked when the one before has failed or taken too long.
async fn first_of<T>(questions: Vec<BoxFuture<'static, RedisResult<T>>>) -> RedisResult<T> {
    let (mut questions, mut asked) = (questions.into_iter(), FuturesUnordered::new());
    let mut worst: Option<RedisError> = None;
    asked.extend(questions.next());
    while !asked.is_empty() {
        tokio::select! {
            Some(answer) = asked.next() => match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    // An error that a person must fix matters more than an unreachable node.
                    if worst.as_ref().is_none_or(RedisError::is_io_error) {
                        worst = Some(error);
                    }
                    asked.extend(questions.next());
                }
            },
            () = sleep(HASTE), if questions.len() > 0 => asked.extend(questions.next()),
        }
    }
    Err(worst.unwrap_or_else(|| (ErrorKind::Client, "no node of the cluster is known").into()))
}

/// Time to wait for a node before another is asked as well.
const HASTE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn asked() -> Node {
        Node { host: "seed".to_owned(), port: 7_000 }
    }

    fn read(host: Value, rest: Vec<Value>) -> Option<String> {
        let primary = [vec![host, Value::Int(7_001), bulk("id")], rest].concat();
        let range = vec![Value::Int(0), Value::Int(16_383), Value::Array(primary)];
        let topology = Topology::read(&Value::Array(vec![Value::Array(range)]), &asked())?;
        Some(topology.owners[0].1.to_string())
    }

    #[test]
    fn a_node_goes_by_the_address_that_the_cluster_tells() {
        assert_eq!(read(bulk("10.0.0.1"), vec![]).as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(read(bulk("node.internal"), vec![]).as_deref(), Some("node.internal:7001"));
        assert_eq!(read(bulk("fe80::1"), vec![]).as_deref(), Some("[fe80::1]:7001"));
    }

    #[test]
    fn a_node_without_a_host_is_where_the_node_is_that_was_asked() {
        assert_eq!(read(bulk(""), vec![]).as_deref(), Some("seed:7001"));
        assert_eq!(read(Value::Nil, vec![]).as_deref(), Some("seed:7001"));
        assert_eq!(read(bulk("?"), vec![]).as_deref(), Some("seed:7001"));
        let names = Value::Array(vec![bulk("ip"), bulk("10.0.0.1")]);
        assert_eq!(read(bulk("?"), vec![names]).as_deref(), Some("10.0.0.1:7001"));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(Topology::read(&Value::Nil, &asked()), None);
        assert_eq!(Topology::read(&Value::Array(vec![Value::Int(1)]), &asked()), None);
    }
}
