//! The proxy that one worker serves with now.

use std::{cell::RefCell, rc::Rc};

use tokio::sync::mpsc;

use crate::{
    reload::generation::{Adoption, Generation},
    request::proxy::Proxy,
};

/// The proxy that one worker serves with, until a reload replaces it. A request keeps the one that it found when it
/// arrived, to the last byte of its answer.
pub(crate) struct Current(RefCell<Rc<Proxy>>);

impl Current {
    /// Serves by this generation at first.
    pub(crate) fn new(generation: &Generation) -> Self {
        Self(RefCell::new(Rc::new(generation.proxy(None))))
    }

    /// The proxy for a request that arrives now.
    pub(crate) fn proxy(&self) -> Rc<Proxy> {
        Rc::clone(&self.0.borrow())
    }

    /// Serves by every generation that arrives, from then on.
    pub(crate) async fn follow(&self, mut adoptions: mpsc::UnboundedReceiver<Adoption>) {
        while let Some(Adoption { generation, adopted }) = adoptions.recv().await {
            let next = Rc::new(generation.proxy(Some(&self.proxy())));
            self.0.replace(next);
            // The caller of the reload may have stopped waiting.
            let _ = adopted.send(());
        }
    }
}
