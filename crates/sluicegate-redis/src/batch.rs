//! A batch of requests, as a script reads it.

use std::collections::HashMap;

use redis::Cmd;

use crate::{
    key_names::Kind,
    request::{Line, Request, Row, Verb},
};

/// A batch of requests, as the keys and arguments that the head of its script describes.
pub(crate) struct Batch<'r> {
    keys: Vec<&'r str>,
    places: HashMap<&'r str, u8>,
    rows: Vec<Row>,
    bytes: Vec<u8>,
    /// The arguments that only the script for all kinds of requests reads.
    mixed: Option<Mixed>,
}

/// The rest of a batch that does not only take buckets.
#[derive(Default)]
struct Mixed {
    kinds: Vec<u8>,
    leases: Vec<u64>,
}

impl<'r> Batch<'r> {
    /// The batch of these requests, which have few enough lines that a byte counts them, their marks and their rows.
    pub(crate) fn of(requests: impl Iterator<Item = &'r Request>) -> Self {
        let mut batch = Self { mixed: Some(Mixed::default()), ..Self::new() };
        requests.for_each(|request| batch.add(request));
        batch
    }

    /// The batch of these takes of token buckets.
    pub(crate) fn of_takes(takes: impl Iterator<Item = &'r Request>) -> Self {
        let mut batch = Self::new();
        for take in takes {
            batch.bytes.push(count(take.lines.len()));
            batch.add_lines(&take.lines);
        }
        batch
    }

    fn new() -> Self {
        Self { keys: Vec::new(), places: HashMap::new(), rows: Vec::new(), bytes: Vec::new(), mixed: None }
    }

    fn add(&mut self, request: &'r Request) {
        let (letter, lease) = match request.verb {
            // Only slots are held under a lease's name.
            Verb::Take { lease } => (b't', request.holds_slots().then_some(lease)),
            Verb::Lend { lease, .. } => (b'b', Some(lease)),
            Verb::GiveBack { lease, .. } => (b'g', Some(lease)),
            Verb::Look => (b'l', None),
            Verb::Reset => (b'd', None),
            Verb::Settle { lease, .. } => (b's', Some(lease)),
            Verb::Renew { lease } => (b'r', Some(lease)),
        };
        let lease = match (lease, &mut self.mixed) {
            (Some(lease), Some(Mixed { leases, .. })) => {
                leases.push(lease);
                count(leases.len())
            }
            _ => 0,
        };
        self.bytes.extend([letter, count(request.lines.len()), lease]);
        let of_request = match &request.verb {
            Verb::Settle { taken_at, give_or_take, mark, .. } => {
                Some(([*taken_at, *give_or_take, 0, 0], mark.as_deref()))
            }
            Verb::Lend { life, .. } => Some(([*life, 0, 0, 0], None)),
            Verb::GiveBack { floor: [floor, fraction], .. } => Some(([*floor, *fraction, 0, 0], None)),
            _ => None,
        };
        if let Some((row, mark)) = of_request {
            let row = self.row(row);
            let mark = mark.map_or(0, |mark| self.key(mark, Kind::Mark));
            self.bytes.extend([row, mark]);
        }
        self.add_lines(&request.lines);
    }

    fn add_lines(&mut self, lines: &'r [Line]) {
        for line in lines {
            let (key, row) = (self.key(&line.account, line.kind), self.row(line.row));
            self.bytes.extend([key, row]);
        }
    }

    /// The number of a key in this call.
    fn key(&mut self, name: &'r str, kind: Kind) -> u8 {
        *self.places.entry(name).or_insert_with(|| {
            self.keys.push(name);
            if let Some(Mixed { kinds, .. }) = &mut self.mixed {
                kinds.push(kind.letter());
            }
            count(self.keys.len())
        })
    }

    /// The number of a row in this call: mostly that of the line before.
    fn row(&mut self, row: Row) -> u8 {
        match self.rows.iter().rposition(|known| *known == row) {
            Some(place) => count(place + 1),
            None => {
                self.rows.push(row);
                count(self.rows.len())
            }
        }
    }

    /// Adds keys and arguments to a command.
    pub(crate) fn write(&self, command: &mut Cmd, time: &str, lease: u64) {
        command.arg(self.keys.len());
        for key in &self.keys {
            command.arg(*key);
        }
        command.arg(time);
        let doubles = self.rows.iter().flatten().flat_map(|number| double(*number).to_le_bytes());
        let doubles: Vec<u8> = doubles.collect();
        match &self.mixed {
            None => {
                command.arg(doubles).arg(&self.bytes[..]);
            }
            Some(Mixed { kinds, leases }) => {
                command.arg(lease).arg(&kinds[..]).arg(doubles).arg(&self.bytes[..]);
                for lease in leases {
                    command.arg(format!("{lease:016x}"));
                }
            }
        }
    }
}

fn count(number: usize) -> u8 {
    // Batches are cut so that a byte counts them.
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The number as Lua counts.
#[expect(clippy::cast_precision_loss, reason = "at most 2^53, which a double holds exactly")]
fn double(number: i64) -> f64 {
    number as f64
}
