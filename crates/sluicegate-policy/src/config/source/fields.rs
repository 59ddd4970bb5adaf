//! The fields of a text, and where each is written.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The fields of a text, such as `route[0].limits`, and where their names and values are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<Field>);

#[derive(Clone, Debug)]
struct Field {
    name: String,
    place: Range<usize>,
    /// `false` where `place` is that of the field's name.
    is_value: bool,
}

impl Fields {
    /// Finds the fields of a text; none where it is no TOML.
    pub(super) fn of(text: &str) -> Self {
        let mut fields = Self::default();
        if let Ok(table) = DeTable::parse(text) {
            fields.add_table(table.get_ref(), "");
        }
        fields
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The innermost field around a byte of the text.
    pub(super) fn around(&self, offset: usize) -> Option<&str> {
        let around = self.0.iter().filter(|field| field.place.contains(&offset));
        around.min_by_key(|field| field.place.len()).map(|field| field.name.as_str())
    }

    /// The first byte of a field's value.
    pub(super) fn start_of(&self, name: &str) -> Option<usize> {
        self.0.iter().find(|field| field.is_value && field.name == name).map(|field| field.place.start)
    }

    fn add_table(&mut self, table: &DeTable<'_>, name: &str) {
        for (key, value) in table {
            let name = within(name, key.get_ref());
            self.0.push(Field { name: name.clone(), place: key.span(), is_value: false });
            self.add_value(value, name);
        }
    }

    fn add_value(&mut self, value: &Spanned<DeValue<'_>>, name: String) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(table, &name),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add_value(item, format!("{name}[{index}]"));
                }
            }
            _ => {}
        }
        self.0.push(Field { name, place: value.span(), is_value: true });
    }
}

/// The name of a field in a table.
pub(crate) fn within(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}
