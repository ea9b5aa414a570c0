//! Curves as text: several series over frame or argument bytes.

use std::fmt::Write;

const ROWS: usize = 18;
const COLUMNS: usize = 72;

/// One curve.
pub struct Series {
    /// What its points are drawn as.
    pub mark: char,
    /// What it is.
    pub name: String,
    /// Bytes and nanoseconds.
    pub points: Vec<(usize, f64)>,
}

/// Draws the series over each other; where two meet, the first one shows.
pub fn plot(title: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|one| &one.points);
    let most_bytes = points().map(|point| point.0).max().unwrap_or(1).max(1);
    let most_ns = points().map(|point| point.1).fold(1.0, f64::max);
    let mut canvas = vec![vec![' '; COLUMNS + 1]; ROWS + 1];
    for one in series.iter().rev() {
        for &(bytes, ns) in &one.points {
            let row = ROWS - (ns / most_ns * ROWS as f64).round() as usize;
            canvas[row][bytes * COLUMNS / most_bytes] = one.mark;
        }
    }
    let mut text = format!("{title}, ns\n");
    for (row, cells) in canvas.iter().enumerate() {
        let ns = most_ns * (ROWS - row) as f64 / ROWS as f64;
        let line: String = cells.iter().collect();
        let _ = writeln!(text, "{ns:>8.0} │{}", line.trim_end());
    }
    let _ = writeln!(text, "{:>8} └{}", "", "─".repeat(COLUMNS + 1));
    let _ = writeln!(text, "{:>10}0{:>COLUMNS$} bytes", "", most_bytes);
    for one in series {
        let _ = writeln!(text, "{:>10} {}", one.mark, one.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_point_is_in_the_upper_right_corner() {
        let points = vec![(0, 0.0), (100, 50.0)];
        let text = plot(
            "a title",
            &[Series {
                mark: 'x',
                name: "a curve".to_string(),
                points,
            }],
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "a title, ns");
        assert!(lines[1].starts_with("      50 │") && lines[1].ends_with('x'));
        assert_eq!(lines[ROWS + 1], "       0 │x");
        assert!(text.contains("x a curve"));
    }
}
