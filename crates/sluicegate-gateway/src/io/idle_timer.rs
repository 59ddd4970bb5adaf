//! A timer for waits that begin anew with everything that moves.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is left to fire and then set anew, so that what moves in between costs no timer.
///
/// The end of the wait is asked for whenever the timer fires. It may change without a word to the timer, which never sleeps
/// for longer than the shortest wait that can begin meanwhile.
pub(crate) struct IdleTimer(Pin<Box<Sleep>>);

impl IdleTimer {
    /// A timer that fires after `shortest` for the first time.
    pub(crate) fn new(shortest: Duration) -> Self {
        Self(Box::pin(sleep_until(Instant::now() + shortest)))
    }

    /// Has the timer fire at this time, if it would fire later.
    pub(crate) fn fire_by(&mut self, time: Instant) {
        if time < self.0.deadline() {
            self.0.as_mut().reset(time);
        }
    }

    /// Returns `true` if the wait has ended, once the timer has fired. Otherwise sets it anew.
    pub(crate) fn is_over(&mut self, end: Instant, shortest: Duration) -> bool {
        let now = Instant::now();
        if end <= now {
            return true;
        }
        self.0.as_mut().reset(end.min(now + shortest));
        false
    }

    /// Ready once the time that `end` returns has passed.
    pub(crate) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        shortest: impl Fn() -> Duration,
        end: impl Fn() -> Instant,
    ) -> Poll<()> {
        loop {
            ready!(self.0.as_mut().poll(cx));
            if self.is_over(end(), shortest()) {
                return Poll::Ready(());
            }
        }
    }

    /// Resolves once the time that `end` returns has passed.
    pub(crate) async fn ended(shortest: impl Fn() -> Duration, end: impl Fn() -> Instant) {
        let mut timer = Self::new(shortest());
        timer.fire_by(end());
        poll_fn(|cx| timer.poll_end(cx, &shortest, &end)).await;
    }
}

/// Ready each time the timer fires.
impl Future for IdleTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_nothing_has_moved_for_as_long() {
        let began = Instant::now();
        let moved = Cell::new(began);
        let moves = async {
            for _ in 0..5 {
                tokio::time::sleep(3 * SECOND).await;
                moved.set(Instant::now());
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = IdleTimer::ended(|| 4 * SECOND, || moved.get() + 4 * SECOND) => {}
            () = moves => {}
        }
        assert_eq!(began.elapsed().as_secs(), 19);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_becomes_shorter_ends_in_time_without_a_word_to_the_timer() {
        let began = Instant::now();
        let bound = Cell::new(100 * SECOND);
        let shortens = async {
            tokio::time::sleep(9 * SECOND).await;
            bound.set(11 * SECOND);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = IdleTimer::ended(|| 2 * SECOND, || began + bound.get()) => {}
            () = shortens => {}
        }
        assert_eq!(began.elapsed().as_secs(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_by_the_earliest_time_that_it_is_told() {
        let began = Instant::now();
        let mut timer = IdleTimer::new(9 * SECOND);
        timer.fire_by(began + 5 * SECOND);
        timer.fire_by(began + 7 * SECOND);
        (&mut timer).await;
        assert_eq!(began.elapsed().as_secs(), 5);
        assert!(!timer.is_over(began + 6 * SECOND, 9 * SECOND));
        advance(SECOND).await;
        (&mut timer).await;
        assert!(timer.is_over(began + 6 * SECOND, 9 * SECOND));
    }
}
