//! Plots of a report, as SVG.

mod axis;
mod canvas;

use sluicegate::Unit;

use crate::{
    Report,
    needed::Needed,
    report::{LimitReport, quantities::percent, share},
    timeline::Timeline,
};

use axis::Axis;
use canvas::Canvas;

/// A plot: one SVG, which is light or dark as the page or the system around it is.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of the file: `requests`, or that of a limit, with `-quota` if it is about quotas.
    pub name: String,
    /// The document.
    pub svg: String,
}

impl Report {
    /// Draws requests and denials over time, of all together and of each limit, and the share of denials by quota where a
    /// quota was searched.
    #[must_use]
    pub fn plots(&self) -> Vec<Plot> {
        let mut plots = Vec::new();
        plots.extend(over_time("requests", "All requests", &self.timeline));
        for limit in &self.limits {
            let denied = percent(share(limit.denied, limit.judged));
            let title = format!("{}: {}, {denied} denied", limit.name, limit.quota);
            plots.extend(over_time(&limit.name, &title, &limit.timeline));
            let needed = limit.needed.as_ref().zip(self.wanted);
            plots.extend(needed.and_then(|(needed, wanted)| by_quota(limit, needed, wanted)));
        }
        plots
    }
}

/// Draws stacked bars: what was admitted, and above that what was denied.
fn over_time(name: &str, title: &str, timeline: &Timeline) -> Option<Plot> {
    let (begins, nanos, bins) = timeline.parts()?;
    let seconds = nanos / 1_000_000_000;
    let highest = bins.iter().map(|bin| bin.requests).max().unwrap_or_default();
    let (height, hours) = (Axis::of(to_f64(highest)), Axis::time(to_f64(bins.len() as u64 * seconds)));
    let unit = if seconds == 1 { "requests a second".to_owned() } else { format!("requests in {seconds} s") };
    let mut canvas = Canvas::new(title, &unit, &format!("time since {begins}"));
    canvas.grid(&height, &hours);
    let width = 1.0 / hours.end * to_f64(seconds);
    for (place, bin) in bins.iter().enumerate() {
        let (left, total) = (width * to_f64(place as u64), to_f64(bin.requests) / height.end);
        let admitted = to_f64(bin.requests - bin.denied) / height.end;
        canvas.bar("admitted", left, width, 0.0, admitted);
        canvas.bar("denied", left, width, admitted, total);
    }
    canvas.legend(&["admitted", "denied"]);
    Some(Plot { name: name.to_owned(), svg: canvas.finish() })
}

/// Draws the share of denials by quota, and the quota that was wanted.
fn by_quota(limit: &LimitReport, needed: &Needed, wanted: f64) -> Option<Plot> {
    let tried = &needed.tried;
    let scale = to_f64(limit.quota.unit().scale());
    let amount = |amount: u64| to_f64(amount) / scale;
    let largest = tried.iter().map(|(quota, _)| quota.amount()).max()?;
    let most = tried.iter().map(|(_, denied)| *denied).fold(wanted, f64::max);
    let (height, width) = (Axis::of(most * 100.0), Axis::of(amount(largest)));
    let per = match limit.quota.unit() {
        Unit::Concurrent => "slots".to_owned(),
        unit => format!("{unit} per {} s", limit.quota.window().as_secs_f64()),
    };
    let title = match needed.quota {
        Some(quota) => format!("{}: {quota} denies at most {}", limit.name, percent(wanted)),
        None => format!("{}: denials by quota", limit.name),
    };
    let mut canvas = Canvas::new(&title, "% denied", &per);
    canvas.grid(&height, &width);
    let points =
        tried.iter().map(|(quota, denied)| (amount(quota.amount()) / width.end, denied * 100.0 / height.end));
    canvas.line("denied", &points.collect::<Vec<_>>());
    if let Some(quota) = needed.quota {
        let at = amount(quota.amount()) / width.end;
        canvas.line("wanted", &[(at, 0.0), (at, 1.0)]);
    }
    let level = wanted * 100.0 / height.end;
    canvas.line("wanted", &[(0.0, level), (1.0, level)]);
    Some(Plot { name: format!("{}-quota", limit.name), svg: canvas.finish() })
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
const fn to_f64(number: u64) -> f64 {
    number as f64
}
