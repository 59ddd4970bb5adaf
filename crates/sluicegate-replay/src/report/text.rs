//! Reports as text, for people.

use std::fmt;

use sluicegate_policy::Mode;

use super::{
    LimitReport, Report,
    quantities::{number, percent, time},
    share,
};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary(f)?;
        self.routes(f)?;
        self.limits(f)?;
        self.limits.iter().try_for_each(|limit| most_denied(f, limit))?;
        self.notes(f)
    }
}

impl Report {
    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(from) = self.from else { return writeln!(f, "no requests") };
        let requests = &self.requests;
        writeln!(f, "{} requests from {from} to {}", number(requests.total()), self.to)?;
        writeln!(f, "{} admitted, {}", number(requests.admitted), denied(requests.denied, requests.total()))?;
        if requests.refused > 0 {
            writeln!(f, "{} refused for another reason than a limit", number(requests.refused))?;
        }
        let change = &self.change;
        if change.total() > 0 {
            writeln!(
                f,
                "compared with the log: {} as before, {} newly denied, {} newly admitted",
                number(change.same),
                number(change.newly_denied),
                number(change.newly_admitted)
            )?;
        }
        Ok(())
    }

    fn routes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["route", "requests", "denied", ""].map(str::to_owned)];
        for route in &self.routes {
            let outcomes = &route.outcomes;
            rows.push([
                route.label.clone(),
                number(outcomes.total()),
                number(outcomes.denied),
                percent(share(outcomes.denied, outcomes.total())),
            ]);
        }
        table(f, &rows)
    }

    fn limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["limit", "quota", "judged", "denied", "", "keys", "median wait", "longest wait"];
        let needed = self.wanted.map(|wanted| format!("for {}", percent(wanted)));
        let mut rows = vec![row(head.map(str::to_owned), needed)];
        for limit in &self.limits {
            let shadow = if limit.mode == Mode::Shadow { " (shadow)" } else { "" };
            let cells = [
                format!("{}{shadow}", limit.name),
                limit.quota.to_string(),
                number(limit.judged),
                number(limit.denied),
                percent(share(limit.denied, limit.judged)),
                format!("{}{}", number(limit.keys), if limit.uncounted > 0 { "+" } else { "" }),
                limit.median_wait.map_or_else(|| "-".to_owned(), time),
                limit.longest_wait.map_or_else(|| "-".to_owned(), time),
            ];
            let needed = limit.needed.as_ref().and_then(|needed| needed.quota);
            let needed = needed.map_or_else(|| "-".to_owned(), |quota| quota.to_string());
            rows.push(row(cells, self.wanted.map(|_| needed)));
        }
        if rows.len() > 1 { table(f, &rows) } else { Ok(()) }
    }

    fn notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Vec::new();
        for limit in &self.limits {
            notes.extend(limit.notes());
        }
        if self.guessed > 0 {
            notes.push(format!(
                "{} requests were denied when they were logged: they hold slots as long as their route's mean request",
                number(self.guessed)
            ));
        }
        if self.late > 0 {
            notes.push(format!(
                "{} records came more than ten minutes late, and were decided at the time of the record before",
                number(self.late)
            ));
        }
        if self.evictions > 0 {
            notes.push(format!(
                "{} accounts were evicted for lack of room: raise store.max_keys in the policy",
                number(self.evictions)
            ));
        }
        if self.reading.skipped > 0 {
            notes
                .push(format!("{} lines tell of nothing that a limit decided", number(self.reading.skipped)));
        }
        let unreadable = self.reading.unreadable;
        if unreadable > 0 {
            notes.push(format!("{} lines could not be read; the first of them:", number(unreadable)));
        }
        if notes.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        self.reading.shown.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl LimitReport {
    /// Notes on its numbers.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Self { name, judged, .. } = self;
        if self.unjudged > 0 {
            let unit = self.quota.unit();
            let what = match unit {
                sluicegate::Unit::Concurrent => "how long they ran".to_owned(),
                _ => format!("their {unit}"),
            };
            notes.push(format!(
                "{name} could not judge {} requests: the log does not tell {what}",
                number(self.unjudged)
            ));
        }
        for (part, missing) in &self.missing {
            let of = if missing == judged {
                "no request".to_owned()
            } else {
                format!("{} requests of {}", number(*missing), number(*judged))
            };
            let tells = match (missing == judged, part) {
                (true, sluicegate_policy::Part::ClientIp) => {
                    "has client_ip in the log: all of them count as one client".to_owned()
                }
                (true, _) => format!("has {part} in the log: client_ip replaces it"),
                (false, _) => format!("have no {part} in the log: client_ip replaces it"),
            };
            notes.push(format!("{name}: {of} {tells}"));
        }
        if self.forever > 0 {
            notes.push(format!(
                "{name}: {} requests cost more than the quota ever holds, so waiting does not help",
                number(self.forever)
            ));
        }
        if let Some(reason) = self.needed.as_ref().and_then(|needed| needed.reason) {
            notes.push(format!("{name}: no quota was found: {reason}"));
        }
        notes
    }
}

fn most_denied(f: &mut fmt::Formatter<'_>, limit: &LimitReport) -> fmt::Result {
    if limit.most_denied.is_empty() {
        return Ok(());
    }
    let mut rows =
        vec![[format!("denied most by {}", limit.name), "denied".to_owned(), "longest wait".to_owned()]];
    for key in &limit.most_denied {
        let wait = key.longest_wait.map_or_else(|| "-".to_owned(), time);
        rows.push([key.key.clone(), number(key.denied), wait]);
    }
    table(f, &rows)
}

fn denied(denied: u64, all: u64) -> String {
    format!("{} denied ({})", number(denied), percent(share(denied, all)))
}

/// A row with a cell behind it, if there is one.
fn row<const N: usize>(cells: [String; N], last: Option<String>) -> Vec<String> {
    cells.into_iter().chain(last).collect()
}

/// Writes a table behind an empty line: the first column to the left, all others to the right, unless they are quotas.
fn table<R: AsRef<[String]>>(f: &mut fmt::Formatter<'_>, rows: &[R]) -> fmt::Result {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width =
        |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    writeln!(f)?;
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.as_ref().iter().zip(&widths).enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let is_text = column == 0 || rows[0].as_ref()[column] == "quota";
            line.push_str(&if is_text { format!("{cell:width$}") } else { format!("{cell:>width$}") });
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
