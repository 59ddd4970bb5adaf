//! The choices of the person at the terminal, and the keys that make them.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::table::{Sort, TABLES};

/// The choices of the person at the terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) sort: Sort,
    /// The table that arrows scroll.
    pub(crate) focus: usize,
    /// The first row shown of each table.
    pub(crate) offsets: [usize; TABLES],
    pub(crate) is_paused: bool,
    pub(crate) shows_help: bool,
}

impl View {
    /// Follows an event. Returns `false` if it asks to leave.
    pub(crate) fn follow(&mut self, event: &Event) -> bool {
        let Event::Key(KeyEvent {
            code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, ..
        }) = event
        else {
            // A new size of the terminal is met by drawing again.
            return true;
        };
        if modifiers.contains(KeyModifiers::CONTROL) {
            return !matches!(code, KeyCode::Char('c' | 'd'));
        }
        match code {
            KeyCode::Char('q') => return false,
            KeyCode::Esc if self.shows_help => self.shows_help = false,
            KeyCode::Esc => return false,
            KeyCode::Char('?' | 'h') => self.shows_help = !self.shows_help,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.offsets = [0; TABLES];
            }
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.focus = (self.focus + 1) % TABLES,
            KeyCode::BackTab | KeyCode::Left => self.focus = (self.focus + TABLES - 1) % TABLES,
            KeyCode::Down | KeyCode::Char('j') => self.scroll(|offset| offset.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(|offset| offset.saturating_sub(1)),
            KeyCode::PageDown => self.scroll(|offset| offset.saturating_add(PAGE)),
            KeyCode::PageUp => self.scroll(|offset| offset.saturating_sub(PAGE)),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(|_| 0),
            KeyCode::End | KeyCode::Char('G') => self.scroll(|_| usize::MAX),
            _ => {}
        }
        true
    }

    fn scroll(&mut self, to: impl Fn(usize) -> usize) {
        let offset = &mut self.offsets[self.focus];
        *offset = to(*offset);
    }

    /// Keeps the offset of a table where the last row is still shown.
    pub(crate) fn keep_within(&mut self, table: usize, rows: usize, shown: usize) {
        self.offsets[table] = self.offsets[table].min(rows.saturating_sub(shown));
    }
}

const PAGE: usize = 10;

/// The help, line by line.
pub(crate) const HELP: [&str; 17] = [
    "q, Esc, Ctrl-C    quit",
    "p, Space          pause, and continue",
    "s                 sort by denials, requests or name",
    "Tab, Left, Right  choose a table",
    "Up, Down, PgUp, PgDn, Home, End    scroll it",
    "?, h              close this help",
    "",
    "Rates are per second since the last look, and P50 and P99 are of that time, too.",
    "ACTIVE    requests that run now",
    "DENY/S    requests over a limit, which got a 429",
    "FAIL/S    allowed requests that got a 502 or 504; of an upstream, failed attempts",
    "P50, P99  from sending a request upstream to the last byte of its response",
    "SHADOW/S  requests that a limit in shadow mode would have denied",
    "DENIED    denials since the start; of a key, since the gateway listed it",
    "LAST      time since the last denial of a key",
    "KEY       as in the denial log: a hash, unless log_keys = \"plain\"",
    "refused   requests that got a 4xx other than 429, or 503 for the store",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn after(keys: &[KeyCode]) -> View {
        let mut view = View::default();
        for code in keys {
            assert!(view.follow(&Event::Key((*code).into())));
        }
        view
    }

    #[test]
    fn q_escape_and_control_c_leave() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert!(!View::default().follow(&Event::Key(code.into())));
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(!View::default().follow(&Event::Key(interrupt)));
        assert!(View::default().follow(&Event::Resize(10, 10)));
    }

    #[test]
    fn escape_closes_the_help_first() {
        assert_eq!(after(&[KeyCode::Char('?'), KeyCode::Esc]), View::default());
    }

    #[test]
    fn s_goes_through_all_orders_and_back_to_the_first_rows() {
        let view = after(&[KeyCode::Down, KeyCode::Char('s')]);
        assert_eq!((view.sort, view.offsets), (Sort::Requests, [0; TABLES]));
        assert_eq!(after(&[KeyCode::Char('s'); 3]).sort, Sort::Denials);
    }

    #[test]
    fn arrows_choose_a_table_and_scroll_it() {
        let view = after(&[KeyCode::Right, KeyCode::Down, KeyCode::Down, KeyCode::Up]);
        assert_eq!((view.focus, view.offsets), (1, [0, 1, 0, 0]));
        assert_eq!(after(&[KeyCode::Left]).focus, TABLES - 1);
        assert_eq!(after(&[KeyCode::Tab; TABLES]).focus, 0);
    }

    #[test]
    fn scrolling_ends_with_the_last_row() {
        let mut view = after(&[KeyCode::End]);
        view.keep_within(0, 12, 5);
        assert_eq!(view.offsets[0], 7);
        view.keep_within(0, 3, 5);
        assert_eq!(view.offsets[0], 0);
    }

    #[test]
    fn p_pauses_and_continues() {
        assert!(after(&[KeyCode::Char('p')]).is_paused);
        assert!(!after(&[KeyCode::Char('p'), KeyCode::Char(' ')]).is_paused);
    }
}
