//! The terminal while the view has it.

use std::io::{self, BufWriter, Stdout, Write};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    execute, queue,
    style::{Attribute, Color as Colour, Print, SetAttribute, SetForegroundColor},
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
    },
};
use ratatui_core::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::{Color, Modifier},
};

/// The terminal in raw mode, with a screen of its own. It is restored when this is dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: BufWriter<Stdout>,
    shown: Buffer,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When standard output is not one.
    pub(crate) fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on, an error restores it.
        let mut terminal = Self { out: BufWriter::new(io::stdout()), shown: Buffer::empty(Rect::ZERO) };
        execute!(terminal.out, EnterAlternateScreen, Hide)?;
        Ok(terminal)
    }

    /// Shows what `draw` puts on an empty buffer of the terminal's size, and writes only the cells that changed.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn show(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        let (width, height) = size()?;
        let area = Rect::new(0, 0, width, height);
        if self.shown.area != area {
            self.shown = Buffer::empty(area);
            queue!(self.out, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
        }
        let mut next = Buffer::empty(area);
        draw(&mut next);
        let mut end = None;
        for (x, y, cell) in self.shown.diff(&next) {
            if end != Some((x, y)) {
                queue!(self.out, MoveTo(x, y))?;
            }
            write_cell(&mut self.out, cell)?;
            end = cell.symbol().is_ascii().then_some((x + 1, y));
        }
        self.shown = next;
        self.out.flush()
    }
}

fn write_cell(out: &mut impl Write, cell: &Cell) -> io::Result<()> {
    queue!(out, SetAttribute(Attribute::Reset))?;
    for (modifier, attribute) in ATTRIBUTES {
        if cell.modifier.contains(modifier) {
            queue!(out, SetAttribute(attribute))?;
        }
    }
    match cell.fg {
        Color::Red => queue!(out, SetForegroundColor(Colour::DarkRed))?,
        Color::Yellow => queue!(out, SetForegroundColor(Colour::DarkYellow))?,
        _ => {}
    }
    queue!(out, Print(cell.symbol()))
}

/// The modifiers that the view uses.
const ATTRIBUTES: [(Modifier, Attribute); 3] = [
    (Modifier::BOLD, Attribute::Bold),
    (Modifier::DIM, Attribute::Dim),
    (Modifier::REVERSED, Attribute::Reverse),
];

impl Drop for Terminal {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing left to restore.
        let _ = execute!(self.out, SetAttribute(Attribute::Reset), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
