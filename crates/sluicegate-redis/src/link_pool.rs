//! The connections to all servers.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use redis::{ErrorKind, RedisError, RedisResult};
use sluicegate::StoreError;
use sluicegate_remote::jittered;
use tokio::time::Instant;

use crate::{
    address::{Node, ServerInfo},
    error::explained,
    link::{Ended, Link},
    link_state::LinkState,
    servers::{Endpoint, Servers},
    slot_map::{FIRST, Number, SlotMap, id},
    topology::Topology,
};

/// The connections to all servers, one to each; and, of a cluster, the owners of its slots as far as they are known.
///
/// In a cluster, the first link is never open: it waits while the owner of a slot is unknown, and is broken if no node can
/// tell.
pub(crate) struct LinkPool {
    servers: Servers,
    map: Arc<SlotMap>,
    /// By number.
    links: Vec<LinkState>,
    /// By number, the nodes of a cluster.
    nodes: Vec<Node>,
    news: FuturesUnordered<BoxFuture<'static, News>>,
    inquiry: Inquiry,
}

/// The schedule of questions to the cluster about the owners of its slots. After a change it asks repeatedly, ever less
/// often, because the nodes learn of changes one after the other.
#[derive(Default)]
struct Inquiry {
    under_way: bool,
    last: Option<Instant>,
    due: Option<Instant>,
    /// The time for which the last answer is believed, unless something speaks against it.
    trust: Duration,
}

enum News {
    Opened { number: Number, generation: u64, result: RedisResult<(Endpoint, Link, Ended)> },
    Ended { number: Number, generation: u64 },
    Learned(RedisResult<Topology>),
}

/// A change that the driver has to act on.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// A server can be asked.
    Opened,
    /// A server cannot be reached.
    Failed(Number),
    /// Nothing that concerns callers.
    Nothing,
}

impl LinkPool {
    /// Begins to connect.
    pub(crate) fn new(servers: Servers, map: Arc<SlotMap>) -> Self {
        let nowhere = Node { host: String::new(), port: 0 };
        let mut links = Self {
            servers,
            map,
            links: vec![LinkState::default()],
            nodes: vec![nowhere],
            news: FuturesUnordered::new(),
            inquiry: Inquiry::default(),
        };
        if links.map.is_cluster() {
            links.links[FIRST].open();
            links.inquire();
        } else {
            links.open(FIRST);
        }
        links
    }

    /// The connection to the owner of a slot, if it is open.
    pub(crate) fn link(&self, slot: u16) -> Option<(Number, u64, &Link)> {
        let number = self.map.owner(slot);
        self.links[number].link().map(|(link, generation)| (number, generation, link))
    }

    /// Brings the next try to reach a slot's owner forward, and returns its time if the owner could not be reached.
    pub(crate) fn hasten(&mut self, slot: u16) -> Option<Instant> {
        self.links[self.map.owner(slot)].hasten()
    }

    /// The reason that a server takes no commands.
    pub(crate) fn trouble(&self, number: Number) -> Option<StoreError> {
        self.links[number].trouble().map(|error| self.explain(number, error))
    }

    /// Explains an error of a server.
    pub(crate) fn explain(&self, number: Number, error: &RedisError) -> StoreError {
        explained(error, &self.server_info(number), self.links[number].was_open).at(id(number))
    }

    /// Returns a server's name in messages, and its protocol.
    pub(crate) fn server_info(&self, number: Number) -> ServerInfo {
        let server_info = self.servers.address.server_info();
        match number {
            FIRST => server_info,
            _ => ServerInfo { name: self.nodes[number].to_string(), ..server_info },
        }
    }

    /// The host of a server, for answers that leave it out.
    pub(crate) fn host(&self, number: Number) -> &str {
        &self.nodes[number].host
    }

    /// Waits for news, and does what links have to do themselves. Nothing is lost if it is dropped.
    pub(crate) async fn next(&mut self) -> Change {
        loop {
            let Some(news) = self.news.next().await else { return pending().await };
            match news {
                News::Opened { number, generation, result } if self.links[number].is(generation) => {
                    match result {
                        Ok((endpoint, link, ended)) => {
                            if number == FIRST {
                                self.map.moved(endpoint.to_string());
                            }
                            self.links[number].opened(link);
                            self.news.push(Box::pin(async move {
                                // Whichever way it ended.
                                drop(ended.await);
                                News::Ended { number, generation }
                            }));
                            return Change::Opened;
                        }
                        Err(error) => {
                            self.links[number].fail(&error);
                            self.inquire_soon();
                            return Change::Failed(number);
                        }
                    }
                }
                News::Ended { number, generation } if self.links[number].is(generation) => {
                    let ended = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
                    self.lost(number, generation, &ended.into());
                    return Change::Nothing;
                }
                News::Learned(result) => {
                    return self.learned(result);
                }
                // Of a connection that is gone.
                News::Opened { .. } | News::Ended { .. } => {}
            }
        }
    }

    /// A server answered.
    pub(crate) fn answered(&mut self, number: Number, generation: u64) {
        self.links[number].answered(generation);
    }

    /// A connection is of no use any more.
    pub(crate) fn lost(&mut self, number: Number, generation: u64, error: &RedisError) {
        let link_state = &mut self.links[number];
        if !link_state.is(generation) || link_state.link().is_none() {
            return;
        }
        if link_state.lost(error) {
            self.open(number);
        }
        self.inquire_soon();
    }

    /// A slot belongs to this node.
    pub(crate) fn moved(&mut self, slot: u16, owner: Node) {
        let number = self.ready(owner);
        self.map.assign(slot, number);
        self.inquire_soon();
    }

    /// The number and the connection of a node. It is opened if it was not needed until now.
    pub(crate) fn at(&mut self, node: Node) -> (Number, Option<(u64, &Link)>) {
        let number = self.ready(node);
        (number, self.links[number].link().map(|(link, generation)| (generation, link)))
    }

    /// Has the cluster asked who owns what, if that was not just done.
    pub(crate) fn inquire_soon(&mut self) {
        if self.map.is_cluster() {
            let (now, inquiry) = (Instant::now(), &mut self.inquiry);
            let soon = inquiry.last.map_or(now, |last| now.max(last + INQUIRY_GAP));
            inquiry.due = Some(inquiry.due.map_or(soon, |due| due.min(soon)));
            inquiry.trust = LEAST_TRUST;
        }
    }

    /// Does what is due.
    pub(crate) fn keep_time(&mut self, now: Instant) {
        for number in FIRST..self.links.len() {
            if self.links[number].again().is_some_and(|again| again <= now) {
                match (self.map.is_cluster(), number) {
                    (true, FIRST) => {
                        self.links[FIRST].open();
                        self.inquire();
                    }
                    _ => self.open(number),
                }
            }
        }
        if self.inquiry.due.is_some_and(|due| due <= now) {
            self.inquire();
        }
    }

    /// Returns the time of the next thing to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let inquiry = self.inquiry.due.filter(|_| !self.inquiry.under_way);
        self.links.iter().filter_map(LinkState::again).chain(inquiry).min()
    }

    /// The number of a node, with a link that is at least being opened.
    fn ready(&mut self, node: Node) -> Number {
        let number = self.map.number(&node.to_string());
        if number == self.links.len() {
            self.links.push(LinkState::default());
            self.nodes.push(node);
        }
        if self.links[number].is_closed() {
            self.open(number);
        }
        number
    }

    fn open(&mut self, number: Number) {
        let generation = self.links[number].open();
        let servers = self.servers.clone();
        let node = (number != FIRST).then(|| Endpoint::Tcp(self.nodes[number].clone()));
        self.news.push(Box::pin(async move {
            let opening = async {
                let endpoint = match node {
                    Some(endpoint) => endpoint,
                    None => servers.primary().await?,
                };
                let (link, ended) = servers.connect(&endpoint).await?;
                Ok((endpoint, link, ended))
            };
            News::Opened { number, generation, result: opening.await }
        }));
    }

    fn inquire(&mut self) {
        if self.inquiry.under_way {
            return;
        }
        self.inquiry =
            Inquiry { under_way: true, last: Some(Instant::now()), due: None, trust: self.inquiry.trust };
        // Nodes that are connected come first, in no fixed order.
        let (mut connected, mut others) = (Vec::new(), Vec::new());
        for (link_state, node) in self.links.iter().zip(&self.nodes).skip(1) {
            match link_state.link() {
                Some((link, _)) => connected.push((node.clone(), link.clone())),
                None => others.push(node.clone()),
            }
        }
        let new = |seed: &&Node| !self.nodes.contains(seed);
        others.extend(self.servers.seeds().iter().filter(new).cloned());
        turn(&mut connected);
        turn(&mut others);
        let learning = Topology::learn(self.servers.clone(), connected, others);
        self.news.push(Box::pin(async move { News::Learned(learning.await) }));
    }

    fn learned(&mut self, result: RedisResult<Topology>) -> Change {
        self.inquiry.under_way = false;
        let unknown = match result {
            Ok(topology) => {
                for (slots, node) in topology.owners {
                    let number = self.ready(node);
                    slots.for_each(|slot| self.map.assign(slot, number));
                }
                (ErrorKind::Client, "no node of the cluster owns this slot").into()
            }
            Err(error) => error,
        };
        let owners = self.map.owners();
        for (number, link_state) in self.links.iter_mut().enumerate().skip(1) {
            if !owners.contains(&number) && !link_state.is_closed() {
                link_state.close();
            }
        }
        self.inquiry.trust = if self.links.iter().skip(1).any(LinkState::ails) {
            LEAST_TRUST
        } else {
            (self.inquiry.trust * 2).clamp(LEAST_TRUST, MOST_TRUST)
        };
        let due = Instant::now() + jittered(self.inquiry.trust);
        self.inquiry.due = Some(self.inquiry.due.map_or(due, |earlier| earlier.min(due)));
        if owners.contains(&FIRST) {
            self.links[FIRST].fail(&unknown);
            Change::Failed(FIRST)
        } else {
            self.links[FIRST].close();
            Change::Nothing
        }
    }
}

/// Begins a list at any of its entries.
fn turn<T>(list: &mut [T]) {
    let random = usize::try_from(getrandom::u32().unwrap_or_default()).unwrap_or_default();
    if !list.is_empty() {
        list.rotate_left(random % list.len());
    }
}

/// The cluster is not asked more often, whatever happens.
const INQUIRY_GAP: Duration = Duration::from_millis(200);
/// Time for which an answer is believed after changes, and while a node cannot be reached.
const LEAST_TRUST: Duration = Duration::from_millis(500);
/// Time for which an answer is believed when all is well.
const MOST_TRUST: Duration = Duration::from_secs(30);
