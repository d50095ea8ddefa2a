//! The table: what was measured, against what, and whether that is good enough.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

/// A number with its unit.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    number: f64,
    unit: &'static str,
}

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    what: String,
    measured: Quantity,
    against: String,
    value: Quantity,
    goal: Option<Goal>,
}

#[derive(Debug)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// So many in a second.
pub fn rate(number: f64) -> Quantity {
    Quantity { number, unit: "/s" }
}

/// Seconds.
pub fn seconds(number: f64) -> Quantity {
    Quantity { number, unit: " s" }
}

/// Seconds, shown as milliseconds.
pub fn milliseconds(seconds: f64) -> Quantity {
    Quantity { number: seconds * 1e3, unit: " ms" }
}

/// Seconds, shown as microseconds.
pub fn microseconds(seconds: f64) -> Quantity {
    Quantity { number: seconds * 1e6, unit: " µs" }
}

/// Bytes, shown as MB.
pub fn megabytes(bytes: f64) -> Quantity {
    Quantity { number: bytes / 1e6, unit: " MB" }
}

/// Bytes, shown as KiB.
pub fn kibibytes(bytes: f64) -> Quantity {
    Quantity { number: bytes / 1024.0, unit: " KiB" }
}

/// A count.
pub fn count(number: f64) -> Quantity {
    Quantity { number, unit: "" }
}

impl Line {
    /// A measurement that is held against another by their ratio, which is given: with rounds in turns it is the median of
    /// the ratios, not the ratio of the medians.
    pub fn ratio(what: &str, measured: Quantity, name: &str, other: Quantity, ratio: f64) -> Self {
        let value = Quantity { number: ratio, unit: "×" };
        Self { what: what.to_owned(), measured, against: format!("{other} {name}"), value, goal: None }
    }

    /// A measurement that is held against nothing but its goal.
    pub fn absolute(what: &str, measured: Quantity) -> Self {
        Self { what: what.to_owned(), measured, against: String::new(), value: measured, goal: None }
    }

    /// Says what the measurement was held against.
    pub fn against(self, what: String) -> Self {
        Self { against: what, ..self }
    }

    /// The value should be as high as this, in the value's unit.
    pub fn at_least(self, goal: f64) -> Self {
        Self { goal: Some(Goal::AtLeast(goal)), ..self }
    }

    /// The value should be as low as this, in the value's unit.
    pub fn at_most(self, goal: f64) -> Self {
        Self { goal: Some(Goal::AtMost(goal)), ..self }
    }

    fn cells(&self) -> [String; 6] {
        let unit = self.value.unit;
        let (goal, met) = match self.goal {
            Some(Goal::AtLeast(goal)) => (format!("≥ {}", Quantity { number: goal, unit }), self.value.number >= goal),
            Some(Goal::AtMost(goal)) => (format!("≤ {}", Quantity { number: goal, unit }), self.value.number <= goal),
            None => (String::new(), true),
        };
        let verdict = match (&self.goal, met) {
            (None, _) => "",
            (_, true) => "yes",
            (_, false) => "NO",
        };
        let texts = [self.measured.to_string(), self.against.clone(), self.value.to_string(), goal];
        let [measured, against, value, goal] = texts;
        [self.what.clone(), measured, against, value, goal, verdict.to_owned()]
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, unit } = self;
        match number.abs() {
            large if large >= 10_000.0 => write!(f, "{}{unit}", thousands(*number)),
            medium if medium >= 100.0 => write!(f, "{number:.0}{unit}"),
            small if small >= 10.0 => write!(f, "{number:.1}{unit}"),
            0.0 => write!(f, "0{unit}"),
            _ => write!(f, "{number:.2}{unit}"),
        }
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

/// All lines as one table, in Markdown.
pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["what", "measured", "against", "ratio or value", "goal", "met?"]);
    table.add_rows(lines.iter().map(Line::cells));
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The middle of some numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    quantile(numbers, 0.5)
}

/// The number below which this share of the numbers lies.
pub fn quantile(numbers: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let index = ((numbers.len() as f64 * share) as usize).min(numbers.len().saturating_sub(1));
    numbers[index]
}

/// The median of the ratios of what was measured in turns.
pub fn median_ratio(ours: &[f64], others: &[f64]) -> f64 {
    median(ours.iter().zip(others).map(|(our, other)| our / other))
}
