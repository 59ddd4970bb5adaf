//! Watching the policy file.

use std::time::Duration;

use crate::{io::interval::every, reload::Reloads};

/// Reloads the policy whenever its file has changed and been left alone for a second, so that a file which is still
/// being written is not read: that would only be an error.
pub(crate) async fn watch(reloads: &Reloads) {
    let mut pace = every(PACE);
    let mut last = None;
    loop {
        pace.tick().await;
        let unread = reloads.unread().await;
        if unread.is_some() && unread == last {
            // It logs what became of it.
            let _ = reloads.reload().await;
        }
        last = unread;
    }
}

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
