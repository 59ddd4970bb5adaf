//! The loop of the live view.

use std::{io, time::Duration};

use crossterm::event::{self, Event};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{Receiver, channel},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    admin_port::{AdminPort, Unanswered},
    model::Model,
    screen::Screen,
    snapshot::Snapshot,
    terminal::Terminal,
    view::View,
};

/// The news of the gateway so far.
#[derive(Debug, Default)]
struct Heard {
    last: Option<Snapshot>,
    model: Option<Model>,
    /// The reason that there is no news, and since when there is none.
    away: Option<(Unanswered, Instant)>,
}

impl Heard {
    /// Takes in news. While the view is paused, the state that it shows stays.
    fn take(&mut self, news: Result<Snapshot, Unanswered>, is_paused: bool) {
        match news {
            Ok(snapshot) => {
                if !is_paused {
                    self.model = Some(Model::of(self.last.as_ref(), &snapshot));
                }
                self.last = Some(snapshot);
                self.away = None;
            }
            Err(error) => {
                let since = self.away.take().map_or_else(Instant::now, |(_, since)| since);
                self.away = Some((error, since));
            }
        }
    }
}

/// Shows the gateway in the terminal until the person there leaves.
///
/// # Errors
///
/// When there is no terminal, or it goes away. A gateway that goes away is waited for.
pub(crate) async fn live(admin: AdminPort, every: Duration, has_colours: bool) -> io::Result<()> {
    let address = admin.to_string();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminal = Terminal::take()?;
    let mut events = events();
    let mut news = news(admin, every);
    let (mut heard, mut view) = (Heard::default(), View::default());
    loop {
        let away = heard.away.as_ref().map(|(error, since)| (error.to_string(), since.elapsed()));
        let screen = Screen {
            address: &address,
            interval: every,
            model: heard.model.as_ref(),
            away: away.as_ref().map(|(reason, since)| (reason.as_str(), *since)),
            has_colours,
        };
        terminal.show(|buffer| screen.draw(buffer, &mut view))?;
        tokio::select! {
            event = events.recv() => match event {
                Some(event) if view.follow(&event) => {}
                _ => return Ok(()),
            },
            Some(news) = news.recv() => heard.take(news, view.is_paused),
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
    }
}

/// The events of the terminal, which a thread waits for. It ends with the process.
fn events() -> Receiver<Event> {
    let (sender, events) = channel(QUEUED_EVENTS);
    std::thread::spawn(move || while event::read().is_ok_and(|event| sender.blocking_send(event).is_ok()) {});
    events
}

/// Asks the gateway after each interval, for as long as the news is read.
fn news(admin: AdminPort, every: Duration) -> Receiver<Result<Snapshot, Unanswered>> {
    let (sender, news) = channel(1);
    tokio::spawn(async move {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if sender.send(admin.snapshot().await).await.is_err() {
                return;
            }
        }
    });
    news
}

/// More keys than anybody types before they are read.
const QUEUED_EVENTS: usize = 64;
