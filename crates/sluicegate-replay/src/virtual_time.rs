//! Time as the log tells it.

use std::time::Duration;

use sluicegate::ManualClock;

use crate::Moment;

/// Moves a clock to a moment. The first one is where the clock stands. A clock never goes back: returns `false` for a
/// moment that has passed.
pub(crate) fn move_to(clock: &ManualClock, now: &mut Option<Moment>, moment: Moment) -> bool {
    let before = *now.get_or_insert(moment);
    let Some(nanos) = moment.nanos().checked_sub(before.nanos()) else { return false };
    clock.advance(Duration::from_nanos(nanos));
    *now = Some(moment);
    true
}
