//! A state as plain text, for scripts.

use std::fmt::Write;

use crate::{
    header::header,
    model::Model,
    table::{Sort, Table, tables},
};

/// Writes a state: its header, and each table with all of its rows.
pub(crate) fn plain(model: &Model) -> String {
    let mut out = String::new();
    for pieces in header(model) {
        let texts: Vec<_> = pieces.into_iter().map(|(text, _)| text).collect();
        out += &texts.join(SEPARATOR);
        out.push('\n');
    }
    for table in tables(model, Sort::default()) {
        out.push('\n');
        write_table(&mut out, &table);
    }
    out
}

/// Between two pieces of a line.
pub(crate) const SEPARATOR: &str = "  ";

fn write_table(out: &mut String, table: &Table) {
    let columns = table.columns.iter().enumerate();
    let longest = |(index, column): (usize, &crate::table::Column)| {
        table.rows.iter().map(|row| row.cells[index].chars().count()).fold(column.width, usize::max)
    };
    let widths: Vec<_> = columns.map(longest).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for ((cell, column), width) in cells.zip(table.columns).zip(&widths) {
            // Writing to a string does not fail.
            let _ = if column.is_number {
                write!(text, "{cell:>width$}{SEPARATOR}")
            } else {
                write!(text, "{cell:width$}{SEPARATOR}")
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut table.columns.iter().map(|column| column.heading));
    for row in &table.rows {
        line(&mut row.cells.iter().map(String::as_str));
    }
    if table.rows.is_empty() {
        line(&mut std::iter::once(table.note.as_str()));
    }
}
