//! Tables for people: plain columns that a screen, a log and `awk` all take.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with these headings and no lines round it.
#[must_use]
pub fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings);
    table
}
