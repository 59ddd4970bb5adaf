//! Watching the policy file.

use std::time::Duration;

use crate::{io::interval::every, reload::Reloads};

/// Reloads the policy whenever its file has changed and then stayed the same for a second. A file that is still being
/// written is not read, because it would only be an error.
pub(crate) async fn watch(reloads: &Reloads) {
    let mut interval = every(INTERVAL);
    let mut last = None;
    loop {
        interval.tick().await;
        let unread = reloads.unread().await;
        if unread.is_some() && unread == last {
            // The reload logs its own result.
            let _ = reloads.reload().await;
        }
        last = unread;
    }
}

/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);
