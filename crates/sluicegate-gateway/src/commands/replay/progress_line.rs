//! The progress of a replay, on one line of the terminal.

use std::io::{self, Write};

use sluicegate_replay::Progress;

/// A line of the terminal that shows the progress. It is gone when it is dropped.
#[derive(Debug)]
pub(super) struct ProgressLine;

impl ProgressLine {
    /// Replaces the line. A terminal that does not take it is no reason to stop.
    pub(super) fn show(&self, progress: &Progress) {
        let _ = write!(io::stderr(), "\r{}{CLEAR}", text(progress));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        let _ = write!(io::stderr(), "\r{CLEAR}");
    }
}

/// The share that is done, the rate, and the time left.
fn text(progress: &Progress) -> String {
    let Progress { requests, bytes, of_bytes, elapsed } = *progress;
    let seconds = elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = requests as f64 / seconds.max(1e-3);
    let rate = format!("{requests} requests, {rate:.0} a second");
    let Some(total) = of_bytes.filter(|total| *total > 0) else { return rate };
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let done = (bytes as f64 / total as f64).clamp(1e-6, 1.0);
    let left = seconds / done - seconds;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 20")]
    let filled = (done * 20.0) as usize;
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(20 - filled));
    format!("[{bar}] {:.0} %  {rate}, {left:.0} s left", done * 100.0)
}

/// Clears the rest of the line.
const CLEAR: &str = "\x1b[K";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_tells_the_share_the_rate_and_the_time_left() {
        let progress =
            Progress { requests: 250_000, bytes: 25, of_bytes: Some(100), elapsed: Duration::from_secs(2) };
        assert_eq!(
            text(&progress),
            "[#####...............] 25 %  250000 requests, 125000 a second, 6 s left"
        );
    }

    #[test]
    fn input_of_unknown_size_has_a_rate_and_no_end() {
        let progress = Progress { requests: 10, bytes: 25, of_bytes: None, elapsed: Duration::from_secs(2) };
        assert_eq!(text(&progress), "10 requests, 5 a second");
    }
}
