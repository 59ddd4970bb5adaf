//! The formats in which metrics are written, and which of them a client prefers.

/// A format in which metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text format, which every scraper reads.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The summary, as JSON: requests and denials, of all and by route.
    Summary,
}

impl Format {
    /// The format with the highest weight in the lines of `Accept`, the first of equals; Prometheus' own if nothing fits.
    #[must_use]
    pub fn preferred<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let mut best = (Self::Prometheus, 0.0);
        for range in accept.into_iter().flat_map(|line| line.split(',')) {
            let mut parameters = range.split(';').map(str::trim);
            let format = match parameters.next() {
                Some(media) if media.eq_ignore_ascii_case("application/openmetrics-text") => {
                    Self::OpenMetrics
                }
                Some(media) if media.eq_ignore_ascii_case("application/json") => Self::Summary,
                Some("text/plain" | "text/*" | "*/*") => Self::Prometheus,
                _ => continue,
            };
            let weight =
                parameters.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }

    /// The value of `Content-Type`; Prometheus 3 refuses a scrape without the right one.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Summary => "application/json",
        }
    }
}

/// Turns OpenMetrics into Prometheus' own format: there, the samples' name, with `_total`, is the counter's, and no
/// unit or end is marked.
pub(crate) fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // HELP comes right before TYPE, which alone tells a counter.
        let kind = if line.starts_with("# HELP ") { lines.peek().copied().unwrap_or_default() } else { line };
        match line.strip_prefix("# ").filter(|_| kind.starts_with("# TYPE ") && kind.ends_with(" counter")) {
            Some(described) => {
                let mut words = described.splitn(3, ' ');
                let (keyword, name, rest) = (words.next(), words.next(), words.next());
                let (keyword, name) = (keyword.unwrap_or_default(), name.unwrap_or_default());
                text.extend(["# ", keyword, " ", name, "_total ", rest.unwrap_or_default()]);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Puts metrics, in either text format, in the order of their names. Each begins with its HELP.
pub(crate) fn sorted(text: &str) -> String {
    let (text, end) = match text.strip_suffix(END) {
        Some(text) => (text, END),
        None => (text, ""),
    };
    let mut metrics = Vec::new();
    let mut rest = text;
    // Names and labels hold no line break, so only a metric begins so.
    while let Some(next) = rest.find(NEXT) {
        let (metric, others) = rest.split_at(next + 1);
        metrics.push(metric);
        rest = others;
    }
    metrics.push(rest);
    metrics.sort_unstable_by_key(|metric| metric.split(' ').nth(2));
    metrics.push(end);
    metrics.concat()
}

/// The beginning of a metric, after the end of the one before.
const NEXT: &str = "\n# HELP ";
/// The last line of OpenMetrics.
const END: &str = "# EOF\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_every_scraper_reads() {
        assert_eq!(Format::preferred([]), Format::Prometheus);
        for accept in ["", "*/*", "text/html", "text/plain;version=0.0.4", "application/json;q=0"] {
            assert_eq!(Format::preferred([accept]), Format::Prometheus, "{accept}");
        }
    }

    #[test]
    fn the_heaviest_accepted_format_wins() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(Format::preferred([prometheus_3]), Format::OpenMetrics);
        assert_eq!(Format::preferred(["text/plain;q=0.5, application/json"]), Format::Summary);
        assert_eq!(Format::preferred(["application/json, */*"]), Format::Summary);
        assert_eq!(Format::preferred(["text/plain;q=0.5", "application/json"]), Format::Summary, "two lines");
    }

    #[test]
    fn a_counter_is_named_as_its_samples_are() {
        let open_metrics = "# HELP a_requests Requests, counted.\n# TYPE a_requests counter\n# UNIT a_requests x\n\
                            a_requests_total{route=\"/\"} 1\n# HELP b B.\n# TYPE b gauge\nb 2\n# EOF\n";
        let expected = "# HELP a_requests_total Requests, counted.\n# TYPE a_requests_total counter\n\
                        a_requests_total{route=\"/\"} 1\n# HELP b B.\n# TYPE b gauge\nb 2\n";
        assert_eq!(prometheus(open_metrics), expected);
    }
}
