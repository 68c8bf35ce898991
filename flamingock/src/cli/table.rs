//! Tables that fit the terminal, or that are as wide as their text if there is no terminal.

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};

use super::view::View;
use crate::util::visible::visible;

/// The meaning of a cell, which determines its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Waiting,
    Working,
    Bad,
}

impl Tone {
    fn color(self) -> Option<Color> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some(Color::Green),
            Tone::Waiting => Some(Color::Yellow),
            Tone::Working => Some(Color::Cyan),
            Tone::Bad => Some(Color::Red),
        }
    }
}

/// A table without lines, whose empty columns are left out.
#[derive(Debug)]
pub(super) struct Sheet {
    color: bool,
    header: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Sheet {
    pub(super) fn new(view: &View, header: &[&'static str]) -> Sheet {
        Sheet {
            color: view.color,
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with as many cells as the header.
    pub(super) fn row(&mut self, cells: Vec<(String, Tone)>) {
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells);
    }

    pub(super) fn text(&self) -> String {
        let used: Vec<bool> = (0..self.header.len())
            .map(|column| self.rows.iter().any(|row| !row[column].0.is_empty()))
            .collect();
        let mut table = Table::new();
        let arrangement = match width_of(&table) {
            Some(_) => ContentArrangement::Dynamic,
            None => ContentArrangement::Disabled,
        };
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(arrangement);
        let shown = |(column, _): &(usize, _)| used[*column];
        let header = self.header.iter().map(|text| Cell::new(*text));
        if self.header.iter().any(|text| !text.is_empty()) {
            table.set_header(
                header
                    .enumerate()
                    .filter(|one| used[one.0])
                    .map(|(_, cell)| cell),
            );
        }
        for row in &self.rows {
            let cells = row.iter().enumerate().filter(shown);
            table.add_row(cells.map(|(_, (text, tone))| self.cell(text, *tone)));
        }
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        table.style_text_only();
        if self.color {
            table.enforce_styling();
        }
        let titles: Vec<&str> = (0..self.header.len())
            .filter(|column| used[*column])
            .map(|column| self.header[column])
            .collect();
        keep_whole(&mut table, &titles);
        table.trim_fmt()
    }

    fn cell(&self, text: &str, tone: Tone) -> Cell {
        let cell = Cell::new(text);
        match tone.color() {
            Some(color) if self.color => cell.fg(color),
            _ => cell,
        }
    }
}

/// Columns whose words are not broken, so that they can be copied: all of these if the terminal has
/// room, otherwise only the times.
const WHOLE: [&[&str]; 2] = [&["STATE", "BEGAN"], &["BEGAN"]];

/// The minimum width of every other column, and the space between two columns.
const READABLE: usize = 8;
const BETWEEN: usize = 2;

fn keep_whole(table: &mut Table, titles: &[&str]) {
    let Some(width) = width_of(table) else {
        return;
    };
    let contents = table.column_max_content_widths();
    let needed = |whole: &[&str]| -> usize {
        let columns = titles.iter().zip(&contents);
        let widths = columns.map(|(title, content)| match usize::from(*content) {
            content if whole.contains(title) => content + BETWEEN,
            content => content.min(READABLE) + BETWEEN,
        });
        widths.sum()
    };
    let fits = |whole: &&&[&str]| needed(whole) <= usize::from(width);
    let whole = WHOLE.iter().find(fits).copied().unwrap_or_default();
    for (column, title) in titles.iter().enumerate() {
        if let Some(column) = table.column_mut(column)
            && whole.contains(title)
        {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Reports whether the table may have at least this many columns of characters.
pub(super) fn has_room_for(width: u16) -> bool {
    width_of(&Table::new()).is_none_or(|there| there >= width)
}

/// Returns the width of the terminal. `None` if there is no terminal, or one that says it has no columns, as
/// a pseudo-terminal without a size does: a row is a line then.
fn width_of(table: &Table) -> Option<u16> {
    table.width().filter(|width| *width > 0)
}

/// Returns a cell without color, in one line.
pub(super) fn plain(text: impl AsRef<str>) -> (String, Tone) {
    colored(text, Tone::Plain)
}

/// Returns a cell in one line. The text may come from outside, so it is escaped.
pub(super) fn colored(text: impl AsRef<str>, tone: Tone) -> (String, Tone) {
    (visible(text.as_ref()).into_owned(), tone)
}

/// Returns a cell of several lines.
pub(super) fn lines<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> (String, Tone) {
    let lines = lines.into_iter();
    let lines: Vec<String> = lines
        .map(|line| visible(line.as_ref()).into_owned())
        .collect();
    (lines.join("\n"), Tone::Plain)
}

/// Returns the cell of a stage; empty for the default one.
pub(super) fn stage(name: &str) -> (String, Tone) {
    plain(if name == crate::change::names::DEFAULT {
        ""
    } else {
        name
    })
}
