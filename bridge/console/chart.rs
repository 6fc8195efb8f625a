//! Charts as SVG, drawn on the server: the figures in the title, a table beside it, classes and no styles.

/// Width of the drawing: at most 620, so that text of 12 px is never smaller on the screen.
const WIDTH: u64 = 580;
/// Where bars begin and how long the longest is.
const BAR: (u64, u64) = (8, 480);
/// Letters of a name in one line of the chart.
const NAME: usize = 44;
/// Height of a line of text and of a bar.
const LINE: u64 = 16;

/// A bar with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The name in lines, each with its height.
    pub name: Vec<(u64, String)>,
    /// Where the bar lies.
    pub y: u64,
    /// How long it is.
    pub width: u64,
    /// Where its value stands.
    pub text_y: u64,
    /// Its value as printed.
    pub value: String,
}

/// A chart of bars from zero to a hundred percent, with what they are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bars {
    /// The bars, from the top.
    pub bars: Vec<Bar>,
    /// Where the line of comparison stands.
    pub line_x: Option<u64>,
    /// Height of the drawing.
    pub height: u64,
    /// Width of the drawing.
    pub width: u64,
    /// The bar of a hundred percent.
    pub full: u64,
    /// Where bars begin.
    pub x: u64,
}

/// Thousandths as a length; more than all is drawn as all.
fn length(permille: u64) -> u64 {
    permille.min(1_000) * BAR.1 / 1_000
}

/// Draws bars: names and thousandths, and the value as printed; `compare` in thousandths.
pub fn bars(values: &[(String, Option<u64>, String)], compare: Option<u64>) -> Bars {
    let mut y = LINE;
    let bars = values
        .iter()
        .map(|(name, permille, printed)| {
            let letters: Vec<char> = name.chars().collect();
            let mut lines = Vec::new();
            for part in letters.chunks(NAME) {
                lines.push((y, part.iter().collect()));
                y += LINE;
            }
            let bar = Bar {
                name: lines,
                y: y - LINE + 4,
                width: length(permille.unwrap_or_default()),
                text_y: y + 1,
                value: printed.clone(),
            };
            y += LINE + 8;
            bar
        })
        .collect();
    Bars {
        bars,
        line_x: compare.map(|permille| BAR.0 + length(permille)),
        height: y + 8,
        width: WIDTH,
        full: BAR.1,
        x: BAR.0,
    }
}

/// Two series over the months, in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    /// Path of the first series.
    pub first: String,
    /// Of the second, dashed.
    pub second: String,
    /// Heights of the labels at the end.
    pub ends: (u64, u64),
    /// Grid lines: height and percent.
    pub grid: [(u64, u64); 5],
    /// Months: where and what is printed.
    pub months: Vec<(u64, String)>,
}

/// Left and right of the curves; bottom and top.
const X: (u64, u64) = (40, 460);
const Y: (u64, u64) = (150, 14);
/// Two labels nearer than this run into each other.
const APART: u64 = 15;

fn height(permille: u64) -> u64 {
    Y.0 - permille.min(1_000) * (Y.0 - Y.1) / 1_000
}

fn path(values: &[Option<u64>]) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (place, value) in values.iter().enumerate() {
        // A month that is not known breaks the line.
        let Some(permille) = value else {
            drawing = false;
            continue;
        };
        if !path.is_empty() {
            path.push(' ');
        }
        path.push(if drawing { 'L' } else { 'M' });
        path.push_str(&format!("{},{}", at(place, values.len()), height(*permille)));
        drawing = true;
    }
    path
}

fn at(place: usize, of: usize) -> u64 {
    let steps = of.saturating_sub(1).max(1) as u64;
    X.0 + place as u64 * (X.1 - X.0) / steps
}

/// Draws two series; `months` are the labels, one a value.
pub fn trend(first: &[Option<u64>], second: &[Option<u64>], months: &[String]) -> Trend {
    let end = |values: &[Option<u64>]| height(values.last().copied().flatten().unwrap_or_default()) + 4;
    let (mut upper, mut lower) = (end(first), end(second));
    if upper.abs_diff(lower) < APART {
        if upper <= lower {
            lower = upper + APART;
        } else {
            upper = lower + APART;
        }
    }
    // Below the lowest line stand the months.
    let below = upper.max(lower).saturating_sub(Y.0 + 4);
    (upper, lower) = (upper - below, lower - below);
    Trend {
        first: path(first),
        second: path(second),
        ends: (upper, lower),
        grid: [0, 25, 50, 75, 100].map(|percent| (height(percent * 10), percent)),
        months: months.iter().enumerate().map(|(n, label)| (at(n, months.len()), label.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bars, trend};

    #[test]
    fn bars_are_as_long_as_their_value_and_names_are_not_cut() {
        let long = "あ".repeat(60);
        let chart = bars(
            &[(long.clone(), Some(500), "50.0%".into()), ("短".into(), Some(1_200), "120.0%".into())],
            Some(250),
        );
        assert_eq!(chart.bars.iter().map(|bar| bar.width).collect::<Vec<_>>(), [240, 480]);
        assert_eq!(chart.line_x, Some(8 + 120));
        let name: String = chart.bars[0].name.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!((name, chart.bars[0].name.len()), (long, 2));
        let last = chart.bars.last().unwrap();
        assert!(last.y + 16 <= chart.height && chart.bars[0].y < last.y);
    }

    #[test]
    fn a_month_that_is_not_known_breaks_the_line_and_labels_stand_apart() {
        let months: Vec<String> = ["1", "2", "3"].map(str::to_owned).to_vec();
        let chart = trend(&[Some(0), None, Some(1_000)], &[Some(0), Some(500), Some(990)], &months);
        assert_eq!(chart.first, "M40,150 M460,14");
        assert_eq!(chart.second, "M40,150 L250,82 L460,16");
        assert_eq!(chart.ends, (18, 33));
        assert_eq!(chart.months[1].0, 250);
        let flat = trend(&[Some(0)], &[Some(0)], &["10".to_owned()]);
        assert_eq!(flat.ends, (139, 154), "no label among those of the months");
    }
}
