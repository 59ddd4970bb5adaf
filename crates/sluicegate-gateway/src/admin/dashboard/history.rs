//! The last hours of everything that is counted, in bounded memory.

mod rings;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use sluicegate_metrics::{LimitTotals, Metrics, RequestTotals, TokenTotals};

pub(super) use self::rings::Range;
use self::rings::{Counts, Rings, Values};

/// The last hours of the requests of routes, the decisions of limits and the tokens of routes.
///
/// It is told the time with each look at the counters, and has one value for each step of time. A series that has never
/// counted anything takes no memory for that.
#[derive(Debug, Default)]
pub(super) struct History {
    /// In seconds since 1970. It never goes back.
    now: u64,
    /// The number of looks so far.
    looks: u64,
    /// The look that last found a series gone.
    lost: u64,
    routes: Table,
    limits: Table,
    tokens: Table,
}

/// The place in a history up to which somebody knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Known {
    looks: u64,
    step: u64,
}

/// The changes of a history, or all of it. They are written as JSON without a copy, because they are large.
///
/// The values of a series end with those of the step that is `last`, which may still grow. A series that is left out
/// has not changed, and counted nothing in steps that have begun since.
#[derive(Debug, Serialize)]
pub(super) struct News<'a> {
    last: u64,
    routes: TableNews<'a>,
    limits: TableNews<'a>,
    tokens: TableNews<'a>,
}

#[derive(Debug)]
struct TableNews<'a> {
    table: &'a Table,
    wanted: Wanted,
}

#[derive(Serialize)]
struct SeriesNews<'a> {
    totals: Counts,
    /// `None` if it has never counted anything.
    values: Option<Values<'a>>,
}

/// The series of one kind, by their names.
#[derive(Debug, Default)]
struct Table(BTreeMap<String, Series>);

#[derive(Debug, Default)]
struct Series {
    totals: Counts,
    /// The look that last saw the totals change.
    changed: u64,
    /// The look that last saw the series.
    seen: u64,
    rings: Option<Box<Rings>>,
}

impl History {
    /// Looks at the counters, at a time in seconds since 1970.
    pub(super) fn look(&mut self, now: u64, metrics: &Metrics) {
        self.now = self.now.max(now);
        self.looks += 1;
        let (now, look) = (self.now, self.looks);
        metrics.tell_requests(|route, RequestTotals { allowed, denied, refused }| {
            self.routes.note(route, [allowed, denied, refused], now, look);
        });
        metrics.tell_limits(|limit, LimitTotals { allowed, denied, shadow_denied }| {
            self.limits.note(limit, [allowed, denied, shadow_denied], now, look);
        });
        metrics.tell_tokens(|route, TokenTotals { reserved, charged, refunded }| {
            self.tokens.note(route, [reserved, charged, refunded], now, look);
        });
        for table in [&mut self.routes, &mut self.limits, &mut self.tokens] {
            let series = table.0.len();
            table.0.retain(|_, series| series.seen == look);
            if table.0.len() < series {
                self.lost = look;
            }
        }
    }

    /// Returns `true` if a series has gone since somebody knew the history, which [`since`](Self::since) does not tell them.
    pub(super) fn has_lost_series_since(&self, known: Known) -> bool {
        known.looks < self.lost
    }

    /// Returns what has changed since somebody knew the history, all of it if nobody does, and what is known then.
    pub(super) fn since(&self, range: Range, known: Option<Known>) -> (News<'_>, Known) {
        let last = range.step_at(self.now);
        let wanted = Wanted {
            range,
            last,
            after: known.map(|known| known.looks),
            steps: known.map_or(range.points(), |known| range.points().min(steps(known.step, last))),
        };
        let news = |table| TableNews { table, wanted };
        let (routes, limits, tokens) = (news(&self.routes), news(&self.limits), news(&self.tokens));
        (News { last, routes, limits, tokens }, Known { looks: self.looks, step: last })
    }
}

/// The number of steps from the one that was last known, which may have grown, to the last.
fn steps(known: u64, last: u64) -> usize {
    usize::try_from(last.saturating_sub(known)).unwrap_or(usize::MAX).saturating_add(1)
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    range: Range,
    last: u64,
    /// Series that have changed after this look; all if there is none.
    after: Option<u64>,
    steps: usize,
}

impl Table {
    fn note(&mut self, name: &str, totals: Counts, now: u64, look: u64) {
        if let Some(series) = self.0.get_mut(name) {
            series.note(totals, now, look);
        } else {
            let mut series = Series::default();
            series.note(totals, now, look);
            self.0.insert(name.to_owned(), series);
        }
    }
}

impl Serialize for TableNews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Wanted { range, last, after, steps } = self.wanted;
        let series = self.table.0.iter();
        let news = series.filter(|(_, series)| after.is_none_or(|look| series.changed > look));
        serializer.collect_map(news.map(|(name, Series { totals, rings, .. })| {
            let values = rings.as_ref().map(|rings| rings.values(range, last, steps));
            (name, SeriesNews { totals: *totals, values })
        }))
    }
}

impl Series {
    fn note(&mut self, totals: Counts, now: u64, look: u64) {
        self.seen = look;
        if totals == self.totals {
            // Nobody knows a series yet that is new.
            self.changed = if self.changed == 0 { look } else { self.changed };
            return;
        }
        let mut increase = totals;
        for (increase, before) in increase.iter_mut().zip(self.totals) {
            // A series that went and came back begins at zero.
            *increase = increase.checked_sub(before).unwrap_or(*increase);
        }
        self.totals = totals;
        self.changed = look;
        self.rings.get_or_insert_default().add(now, increase);
    }
}

#[cfg(test)]
mod tests;
