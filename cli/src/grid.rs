//! Tables for people, fitted to the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Width};

/// Below this width, columns stand closer.
const WIDE: u16 = 100;

/// Rows below a header. The columns at `figures` stand to the right; `narrowest` is what a narrow
/// terminal leaves of each column.
pub(crate) fn drawn<const COLUMNS: usize>(
    header: [String; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    figures: &[usize],
    narrowest: [u16; COLUMNS],
) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(header).add_rows(rows);
    let mut space = 2;
    if table.is_tty() {
        // The line under the header also takes one between columns.
        space = u16::from(table.width().is_some_and(|width| width >= WIDE));
        table.style_mut().header_separator = LineStyle::none().fill('─').junction('─');
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let widths = table.column_max_content_widths();
        for (index, column) in table.column_iter_mut().enumerate() {
            let least = Width::Fixed(widths[index].min(narrowest[index]) + space);
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, space));
        if figures.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
