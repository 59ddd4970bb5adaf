//! The tables of the view: their columns, and rows of text.

use std::cmp::Reverse;

use crate::{
    model::{Key, Limit, Model, Route, Upstream},
    quantity::{age, number, number_or_unknown, percent, seconds},
};

/// A table of text. Its first column takes the room that the others leave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Row>,
    /// Shown instead of rows if there are none.
    pub(crate) note: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    pub(crate) width: usize,
    /// Numbers stand at the right of their columns, and names at the left.
    pub(crate) is_number: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) tone: Tone,
}

/// The urgency of a piece of text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// Of less interest than the rest.
    Quiet,
    /// Worth a look, such as denials.
    Notable,
    /// Something is broken.
    Bad,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Sort {
    /// Most denials per second first, then most since the start. Upstreams: most failures.
    #[default]
    Denials,
    /// Most requests per second first.
    Requests,
    Name,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Denials => Self::Requests,
            Self::Requests => Self::Name,
            Self::Name => Self::Denials,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Denials => "denials",
            Self::Requests => "requests",
            Self::Name => "name",
        }
    }

    /// Sorts rows by their numbers, the largest first. Rows alike stay in the order of their names.
    fn apply<T>(self, rows: &mut [T], denials: impl Fn(&T) -> (f64, f64), requests: impl Fn(&T) -> f64) {
        match self {
            Self::Denials => rows.sort_by_key(|row| {
                let (rate, total) = denials(row);
                Reverse((Ordered(rate), Ordered(total)))
            }),
            Self::Requests => rows.sort_by_key(|row| Reverse(Ordered(requests(row)))),
            Self::Name => {}
        }
    }
}

/// The number of tables.
pub(crate) const TABLES: usize = 4;

/// Makes the tables of a state: routes, limits, keys and upstreams.
pub(crate) fn tables(model: &Model, sort: Sort) -> [Table; TABLES] {
    [
        routes(model.routes.clone(), sort),
        limits(model.limits.clone(), sort),
        keys(model.keys.clone(), sort),
        upstreams(model.upstreams.clone(), sort),
    ]
}

fn routes(mut routes: Vec<Route>, sort: Sort) -> Table {
    sort.apply(&mut routes, |route| (rate(route.denied), 0.0), |route| rate(route.requests));
    let row = |route: &Route| Row {
        cells: vec![
            route.name.clone(),
            number_or_unknown(route.requests),
            number_or_unknown(route.denied),
            percent(rate(route.denied), rate(route.requests)),
            number(route.in_flight),
            seconds(route.upstream.p50),
            seconds(route.upstream.p99),
            number_or_unknown(route.failed),
        ],
        tone: tone(route.failed, route.denied),
    };
    Table { columns: &ROUTES, rows: routes.iter().map(row).collect(), note: String::new() }
}

fn limits(mut limits: Vec<Limit>, sort: Sort) -> Table {
    sort.apply(
        &mut limits,
        |limit| (rate(limit.denied), limit.total),
        |limit| rate(limit.allowed) + rate(limit.denied),
    );
    let row = |limit: &Limit| Row {
        cells: vec![
            limit.name.clone(),
            number_or_unknown(limit.allowed),
            number_or_unknown(limit.denied),
            number_or_unknown(limit.shadow),
            number(limit.total),
        ],
        tone: tone(None, limit.denied),
    };
    Table {
        columns: &LIMITS,
        rows: limits.iter().map(row).collect(),
        note: "the policy has no limits".to_owned(),
    }
}

fn keys(keys: Result<Vec<Key>, String>, sort: Sort) -> Table {
    let (mut keys, note) = match keys {
        Ok(keys) => (keys, "no key has been denied".to_owned()),
        Err(reason) => (Vec::new(), reason),
    };
    keys.sort_by(|one, other| (&one.key, &one.limit).cmp(&(&other.key, &other.limit)));
    let denials = |key: &Key| (rate(key.denied), key.total);
    sort.apply(&mut keys, denials, |key| rate(key.denied));
    let row = |key: &Key| Row {
        cells: vec![
            key.key.clone(),
            key.limit.clone(),
            number_or_unknown(key.denied),
            number(key.total),
            age(key.idle),
        ],
        tone: tone(None, key.denied),
    };
    Table { columns: &KEYS, rows: keys.iter().map(row).collect(), note }
}

fn upstreams(mut upstreams: Vec<Upstream>, sort: Sort) -> Table {
    let failures = |upstream: &Upstream| (rate(upstream.failed), upstream.total);
    sort.apply(&mut upstreams, failures, |upstream| upstream.in_flight);
    let row = |upstream: &Upstream| Row {
        cells: vec![
            upstream.name.clone(),
            state(upstream).to_owned(),
            number(upstream.in_flight),
            number_or_unknown(upstream.failed),
            number(upstream.total),
        ],
        tone: if upstream.is_up { tone(upstream.failed, None) } else { Tone::Bad },
    };
    Table { columns: &UPSTREAMS, rows: upstreams.iter().map(row).collect(), note: String::new() }
}

/// The only upstream stays in use while it fails: there is no other.
fn state(upstream: &Upstream) -> &'static str {
    match upstream {
        Upstream { is_up: false, .. } => "DOWN",
        Upstream { failed, .. } if rate(*failed) > 0.0 => "FAILING",
        _ => "up",
    }
}

fn tone(failed: Option<f64>, denied: Option<f64>) -> Tone {
    if rate(failed) > 0.0 {
        Tone::Bad
    } else if rate(denied) > 0.0 {
        Tone::Notable
    } else {
        Tone::Plain
    }
}

fn rate(rate: Option<f64>) -> f64 {
    rate.unwrap_or_default()
}

/// A number in its total order.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

const fn name(heading: &'static str, width: usize) -> Column {
    Column { heading, width, is_number: false }
}

const fn count(heading: &'static str, width: usize) -> Column {
    Column { heading, width, is_number: true }
}

/// The least width of a first column.
const NAME: usize = 16;

static ROUTES: [Column; 8] = [
    name("ROUTE", NAME),
    count("REQ/S", 6),
    count("DENY/S", 6),
    count("DENY%", 5),
    count("ACTIVE", 6),
    count("P50", 5),
    count("P99", 5),
    count("FAIL/S", 6),
];

static LIMITS: [Column; 5] =
    [name("LIMIT", NAME), count("ALLOW/S", 7), count("DENY/S", 6), count("SHADOW/S", 8), count("DENIED", 6)];

static KEYS: [Column; 5] =
    [name("KEY", NAME), name("LIMIT", 24), count("DENY/S", 6), count("DENIED", 6), count("LAST", 4)];

static UPSTREAMS: [Column; 5] =
    [name("UPSTREAM", NAME), name("STATE", 7), count("ACTIVE", 6), count("FAIL/S", 6), count("FAILED", 6)];
