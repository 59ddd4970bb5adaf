//! Lines of the log in JSON.

use std::{
    cell::RefCell,
    fmt::{self, Debug, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use sluicegate_policy::UtcTime;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

/// Writes events as the library's flattened JSON has them, in a third of its time.
///
/// Each denial writes a line, so a flood of them costs the log more than the decisions. Events of libraries, and those
/// within a span, are left to the library.
pub(super) struct JsonLines {
    others: Format<Json>,
}

impl JsonLines {
    /// A format that leaves some events to another one, which is to be that of flattened JSON.
    pub(super) fn new(others: Format<Json>) -> Self {
        Self { others }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let is_ours = metadata.target().starts_with(OURS);
        if !is_ours || event.parent().is_some() || context.lookup_current().is_some() {
            return self.others.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL_LENGTH);
        line.push_str("{\"timestamp\":\"");
        push_time(&mut line, SystemTime::now());
        line.push_str("\",\"level\":\"");
        line.push_str(metadata.level().as_str());
        line.push('"');
        event.record(&mut Fields(&mut line));
        line.push_str(",\"target\":");
        push_quoted(&mut line, metadata.target());
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// Writes each field of an event behind a comma.
struct Fields<'l>(&'l mut String);

impl Fields<'_> {
    fn name(&mut self, field: &Field) -> &mut String {
        self.0.push(',');
        push_quoted(self.0, field.name());
        self.0.push(':');
        self.0
    }

    fn number(&mut self, field: &Field, number: impl fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.name(field), "{number}");
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        push_quoted(self.name(field), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no number that is none.
        self.number(field, serde_json::Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let line = self.name(field);
        let start = line.len();
        let _ = write!(line, "{value:?}");
        if is_plain(&line[start..]) {
            line.insert(start, '"');
            line.push('"');
        } else {
            let text = line.split_off(start);
            push_quoted(line, &text);
        }
    }
}

fn push_quoted(line: &mut String, text: &str) {
    if is_plain(text) {
        line.push('"');
        line.push_str(text);
        line.push('"');
    } else {
        line.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Returns `true` if a text needs no escapes. All bytes are looked at, whatever they are, because many can be at once.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    text.bytes().fold(true, |all, byte| all & is_plain(byte))
}

/// Writes a moment of UTC to the microsecond. Each thread writes the calendar once for each second.
fn push_time(line: &mut String, time: SystemTime) {
    // A clock before 1970 cannot be told.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(second, written)| {
        if *second != since.as_secs() || written.is_empty() {
            *second = since.as_secs();
            *written = UtcTime::from(time).to_string();
            // Its last letter is that of UTC.
            written.pop();
        }
        line.push_str(written);
    });
    line.push('.');
    let mut unit = 100_000;
    let mut rest = since.subsec_micros();
    for _ in 0..6 {
        line.push(char::from_digit(rest / unit, 10).unwrap_or('0'));
        rest %= unit;
        unit = (unit / 10).max(1);
    }
    line.push('Z');
}

thread_local! {
    /// The second that was written last, and its text.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Targets of the gateway's own events begin with this.
const OURS: &str = "sluicegate";

/// Bytes of the line of a denial, or somewhat more.
const USUAL_LENGTH: usize = 384;

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tracing_subscriber::fmt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that events make in our format, and those of the library, without their times.
    fn both(log: impl Fn()) -> [String; 2] {
        [true, false].map(|is_ours| {
            let lines = Lines::default();
            let to = lines.clone();
            let logs = fmt().with_writer(move || to.clone()).json().flatten_event(true);
            if is_ours {
                tracing::subscriber::with_default(logs.map_event_format(JsonLines::new).finish(), &log);
            } else {
                tracing::subscriber::with_default(logs.finish(), &log);
            }
            let written = lines.0.lock().expect("nobody panics").clone();
            let text = String::from_utf8(written).expect("JSON is text");
            let (beginning, time) = ("{\"timestamp\":\"", "2026-11-21T09:36:48.121889Z");
            let lines = text.lines().map(|line| {
                let rest = line.strip_prefix(beginning).expect("the time comes first");
                assert!(rest.as_bytes()[time.len() - 1] == b'Z', "{line}");
                format!("{}\n", &rest[time.len()..])
            });
            lines.collect()
        })
    }

    #[test]
    fn an_event_is_written_as_the_library_writes_it() {
        let [ours, the_librarys] = both(|| {
            let (limit, retry_after) = ("predict_10_per_minute", Some(6_u64));
            tracing::info!(route = "/predict", limit, retry_after, request_id = "91cf82", "denied");
            tracing::info!(
                retry_after = None::<u64>,
                share = 0.5,
                nothing = f64::NAN,
                is_set = true,
                "denied"
            );
            tracing::warn!(by = -7, bytes = ?[1, 2], error = %io::Error::other("a \"broken\" pipe\n"), "no answer");
            tracing::error!(
                path = "/caf\u{e9}\\\t\u{1}",
                huge = u128::MAX,
                r#type = "x",
                "{}",
                "lost \u{2028}"
            );
        });
        assert_eq!(ours, the_librarys);
        assert_eq!(ours.lines().count(), 4);
        assert!(
            ours.starts_with("\",\"level\":\"INFO\",\"message\":\"denied\",\"route\":\"/predict\""),
            "{ours}"
        );
    }

    #[test]
    fn an_event_in_a_span_or_of_a_library_is_the_librarys() {
        let [ours, the_librarys] = both(|| {
            tracing::info!(target: "h2::proto", frame = 3, "received");
            let span = tracing::info_span!("request", id = 7);
            tracing::info!(parent: &span, "begun");
            span.in_scope(|| tracing::info!(status = 200, "served"));
        });
        assert_eq!(ours, the_librarys);
        assert_eq!(ours.matches("\"spans\":").count(), 2, "{ours}");
    }

    #[test]
    fn a_time_has_six_digits_behind_the_second_in_which_it_is() {
        let written = |micros| {
            let mut line = String::new();
            push_time(&mut line, UNIX_EPOCH + Duration::from_micros(micros));
            line
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(1_755_780_059_000_042), "2025-08-21T12:40:59.000042Z");
        assert_eq!(written(1_755_780_059_999_999), "2025-08-21T12:40:59.999999Z");
        assert_eq!(written(1_755_780_060_500_000), "2025-08-21T12:41:00.500000Z");
    }
}
