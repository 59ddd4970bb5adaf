//! The picture of a state in the cells of a terminal.

use std::time::Duration;

use ratatui_core::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use crate::{
    header::{Piece, away, header},
    model::Model,
    plain::SEPARATOR,
    quantity::age,
    table::{Column, TABLES, Table, Tone, tables},
    view::{HELP, View},
};

/// A picture, and all that it shows.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    /// The admin port's address.
    pub(crate) address: &'a str,
    pub(crate) interval: Duration,
    /// `None` until the gateway responds for the first time.
    pub(crate) model: Option<&'a Model>,
    /// The reason that the gateway does not respond, and for how long it has not.
    pub(crate) away: Option<(&'a str, Duration)>,
    /// Set unless `NO_COLOR` is.
    pub(crate) has_colours: bool,
}

impl Screen<'_> {
    /// Draws on an empty buffer.
    pub(crate) fn draw(&self, buffer: &mut Buffer, view: &mut View) {
        let area = buffer.area;
        self.pieces(buffer, 0, &self.title(view));
        let mut top = 1;
        if let Some((reason, since)) = self.away {
            self.pieces(buffer, top, &[away(reason, since)]);
            top += 1;
        }
        if view.shows_help {
            for (y, line) in (top + 1..area.height).zip(HELP) {
                self.text(buffer, 0, y, line, area.width, Tone::Plain);
            }
            return;
        }
        if let Some(model) = self.model {
            for pieces in header(model) {
                self.pieces(buffer, top, &pieces);
                top += 1;
            }
            self.tables(buffer, top, &tables(model, view.sort), view);
        }
        if let Some(last) = area.height.checked_sub(1).filter(|last| *last >= top) {
            let keys = format!(
                "q quit  p pause  s sort: {}  Tab table  \u{2191}\u{2193} scroll  ? help",
                view.sort.as_str()
            );
            self.text(buffer, 0, last, &keys, area.width, Tone::Quiet);
        }
    }

    fn title(&self, view: &View) -> Vec<Piece> {
        let every = match self.interval {
            interval if interval.subsec_nanos() == 0 => age(interval),
            interval => format!("{}ms", interval.as_millis()),
        };
        let mut title = vec![
            ("sluicegate top".to_owned(), Tone::Plain),
            (self.address.to_owned(), Tone::Plain),
            (format!("every {every}"), Tone::Quiet),
        ];
        if view.is_paused {
            title.push(("PAUSED".to_owned(), Tone::Notable));
        } else if self.model.is_none() && self.away.is_none() {
            title.push(("connecting".to_owned(), Tone::Quiet));
        }
        title
    }

    /// Draws the tables one below the other, down to the line above the last.
    fn tables(&self, buffer: &mut Buffer, mut top: u16, tables: &[Table; TABLES], view: &mut View) {
        let room = usize::from(buffer.area.height.saturating_sub(top + 1));
        let needs = tables.each_ref().map(|table| table.rows.len().max(1));
        let shares = shares(needs, room.saturating_sub(TABLES), view.focus);
        for (index, (table, share)) in tables.iter().zip(shares).enumerate() {
            if top + 1 >= buffer.area.height {
                return;
            }
            view.keep_within(index, table.rows.len(), share);
            let first = view.offsets[index];
            self.headings(buffer, top, table, first, share, view.focus == index);
            top += 1;
            if table.rows.is_empty() && share > 0 {
                self.text(buffer, 0, top, &table.note, buffer.area.width, Tone::Quiet);
            }
            for (y, row) in (top..).zip(table.rows.iter().skip(first).take(share)) {
                self.cells(
                    buffer,
                    y,
                    table.columns,
                    row.cells.iter().map(String::as_str),
                    self.style(row.tone),
                );
            }
            // A share is at most the height of the buffer, which is a u16.
            top = top.saturating_add(u16::try_from(share).unwrap_or(u16::MAX));
        }
    }

    fn headings(
        &self,
        buffer: &mut Buffer,
        y: u16,
        table: &Table,
        first: usize,
        shown: usize,
        has_focus: bool,
    ) {
        let rows = table.rows.len();
        let mut headings: Vec<_> = table.columns.iter().map(|column| column.heading.to_owned()).collect();
        if rows > shown && shown > 0 {
            headings[0] = format!("{} {}-{} of {rows}", headings[0], first + 1, (first + shown).min(rows));
        }
        let style = Style::new().add_modifier(Modifier::BOLD);
        let style = if has_focus { style.add_modifier(Modifier::REVERSED) } else { style };
        buffer.set_style(Rect { y, height: 1, ..buffer.area }, style);
        self.cells(buffer, y, table.columns, headings.iter().map(String::as_str), style);
    }

    /// Draws one row of a table. The first column has the room that the others leave.
    fn cells<'a>(
        &self,
        buffer: &mut Buffer,
        y: u16,
        columns: &[Column],
        cells: impl Iterator<Item = &'a str>,
        style: Style,
    ) {
        let others: usize = columns.iter().skip(1).map(|column| column.width + SEPARATOR.len()).sum();
        let widest = usize::from(buffer.area.width).saturating_sub(others).max(columns[0].width);
        let mut x = 0;
        for (index, (column, cell)) in columns.iter().zip(cells).enumerate() {
            let width = if index == 0 { widest } else { column.width };
            let indent = if column.is_number { width.saturating_sub(cell.chars().count()) } else { 0 };
            if let Ok(at) = u16::try_from(x + indent)
                && at < buffer.area.width
                && y < buffer.area.height
            {
                buffer.set_stringn(at, y, cell, width - indent, style);
            }
            x += width + SEPARATOR.len();
        }
    }

    fn pieces(&self, buffer: &mut Buffer, y: u16, pieces: &[Piece]) {
        let mut x = 0;
        for (text, tone) in pieces {
            let Some(room) = buffer.area.width.checked_sub(x) else { return };
            x = self.text(buffer, x, y, text, room, *tone).saturating_add(2);
        }
    }

    /// Draws a text as far as there is room, and returns where it ends.
    fn text(&self, buffer: &mut Buffer, x: u16, y: u16, text: &str, room: u16, tone: Tone) -> u16 {
        if x >= buffer.area.width || y >= buffer.area.height {
            return x;
        }
        buffer.set_stringn(x, y, text, usize::from(room), self.style(tone)).0
    }

    /// Without colours, what is broken is bold.
    fn style(&self, tone: Tone) -> Style {
        match (tone, self.has_colours) {
            (Tone::Plain, _) | (Tone::Notable, false) => Style::new(),
            (Tone::Quiet, _) => Style::new().add_modifier(Modifier::DIM),
            (Tone::Notable, true) => Style::new().fg(Color::Yellow),
            (Tone::Bad, true) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            (Tone::Bad, false) => Style::new().add_modifier(Modifier::BOLD),
        }
    }
}

/// Shares the room for rows among tables: in turn one row for each that needs more, and two for the one in focus.
fn shares(needs: [usize; TABLES], mut room: usize, focus: usize) -> [usize; TABLES] {
    let mut shares = [0; TABLES];
    while room > 0 && shares != needs {
        for (index, (share, need)) in shares.iter_mut().zip(needs).enumerate() {
            let more = if index == focus { 2 } else { 1 }.min(need - *share).min(room);
            *share += more;
            room -= more;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_get_the_rows_they_need_while_there_is_room() {
        assert_eq!(shares([3, 2, 1, 1], 20, 0), [3, 2, 1, 1]);
    }

    #[test]
    fn a_long_table_leaves_room_for_the_others_and_gets_the_rest() {
        assert_eq!(shares([100, 100, 1, 1], 10, 3), [4, 4, 1, 1]);
    }

    #[test]
    fn the_table_in_focus_gets_twice_as_many() {
        assert_eq!(shares([100, 100, 100, 1], 9, 1), [2, 4, 2, 1]);
        assert_eq!(shares([5, 5, 5, 5], 0, 0), [0; TABLES]);
    }
}
