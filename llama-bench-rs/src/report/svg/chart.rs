//! Lines of figures over any quantity, for pictures of other things than sweeps.

use super::{
    DrawError, Drawing, LegendEntry,
    axis::Axis,
    drawn,
    panel::{Anchor, Mark, Panel, Point, RIGHT, Shape},
    theme::Ink,
};

/// From this ratio of the largest to the smallest figure on the scale is logarithmic: on a linear one the small figures
/// lie on the axis.
const LOG_FROM: f64 = 25.0;
/// Bounds of intervals stretch an axis up to this many times the largest figure.
const MOST_ABOVE: f64 = 1.5;
/// Half the width of a whisker's end, as a share of the lower axis.
const WHISKER_END: f64 = 0.006;
/// Opacity of a line beside the one that counts.
const FAINT: f64 = 0.45;
/// With more lines than this, texts at their points hide each other.
const MOST_LABELLED: usize = 4;

/// A picture of lines.
pub(crate) struct Chart {
    pub title: &'static str,
    pub subtitle: String,
    /// How to read the panels.
    pub caption: String,
    /// What each colour stands for; a single one has no legend.
    pub names: Vec<String>,
    /// Those without a point are left out.
    pub panels: Vec<ChartPanel>,
}

/// Two axes with lines.
pub(crate) struct ChartPanel {
    pub heading: String,
    /// The unit, and what the figures are of.
    pub note: String,
    /// The figures in words.
    pub description: String,
    pub x_name: &'static str,
    pub lines: Vec<ChartLine>,
}

/// Points joined by a line.
pub(crate) struct ChartLine {
    /// Its place among the chart's names.
    pub name: usize,
    /// Whether another line of the same name is the one that counts.
    pub is_faint: bool,
    pub points: Vec<ChartPoint>,
}

/// A figure.
pub(crate) struct ChartPoint {
    /// On the lower axis over zero, on the left one zero or more.
    pub at: Point,
    /// The 95 % interval of the figure on the left axis.
    pub interval: Option<(f64, f64)>,
    /// A short text at the point, if its line counts; empty for none.
    pub label: String,
}

/// Draws a chart.
///
/// # Errors
/// No panel has a point.
pub(crate) fn draw_chart(chart: Chart, missing: &'static str) -> Result<Drawing, DrawError> {
    let panels: Vec<Panel> = chart.panels.into_iter().filter_map(panel).collect();
    if panels.is_empty() {
        return Err(DrawError::Nothing { missing });
    }
    let entry =
        |(n, name): (usize, &String)| LegendEntry { name: name.clone(), ink: ink(n), shape: shape(n) };
    let legend =
        if chart.names.len() > 1 { chart.names.iter().enumerate().map(entry).collect() } else { vec![] };
    Ok(Drawing {
        title: chart.title.to_owned(),
        subtitle: chart.subtitle,
        caption: chart.caption,
        legend,
        panels: panels.into_iter().map(drawn).collect::<Result<_, _>>()?,
    })
}

fn ink(n: usize) -> Ink {
    Ink::Series(n % Ink::N_SERIES)
}

fn shape(n: usize) -> Shape {
    Shape::ALL[(n + n / Ink::N_SERIES) % Shape::ALL.len()]
}

/// `None` without a point.
fn panel(chart: ChartPanel) -> Option<Panel> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let at = points().map(|point| point.at.0);
    // Close together, places are distinguished; a length on the left axis is compared with another one.
    let x = Axis::zoomed(at, false)?;
    let most = points().map(|point| point.at.1).fold(0.0, f64::max);
    let uppers = points().filter_map(|point| point.interval).map(|(_, upper)| upper.min(MOST_ABOVE * most));
    let y = axis(points().map(|point| point.at.1).chain(uppers))?;
    let half = WHISKER_END * (x.high() - x.low());
    let mut marks = Vec::new();
    for line in &chart.lines {
        push_whiskers(&mut marks, line, half);
        let at: Vec<Point> = line.points.iter().map(|point| point.at).collect();
        let opacity = if line.is_faint { FAINT } else { 1.0 };
        let ink = ink(line.name);
        if at.len() > 1 {
            marks.push(Mark::Line { points: at.clone(), ink, width: 2.0, opacity });
        }
        marks.extend(at.into_iter().map(|at| Mark::Marker { at, shape: shape(line.name), ink }));
    }
    if chart.lines.len() <= MOST_LABELLED {
        let counting = chart.lines.iter().filter(|line| !line.is_faint).flat_map(|line| &line.points);
        for point in counting.filter(|point| !point.label.is_empty()) {
            let (by, text) = ((0.0, -11.0), point.label.clone());
            marks.push(Mark::Label { at: point.at, by, anchor: Anchor::Middle, text, ink: Ink::Muted });
        }
    }
    Some(Panel {
        heading: chart.heading,
        note: chart.note,
        description: chart.description,
        x,
        x_name: chart.x_name,
        y,
        right: RIGHT,
        marks,
    })
}

/// From zero, or logarithmic if the values are very far apart.
fn axis(values: impl Iterator<Item = f64>) -> Option<Axis> {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let most = values.iter().copied().fold(f64::NAN, f64::max);
    let least = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    if most.is_nan() {
        return None;
    }
    if most > LOG_FROM * least {
        return Axis::zoomed([least, most], true);
    }
    // Without room an axis has no length.
    Axis::zoomed([0.0, if most > 0.0 { most } else { 1.0 }], false)
}

/// The interval at each point, with an end on either side.
fn push_whiskers(marks: &mut Vec<Mark>, line: &ChartLine, half: f64) {
    for ChartPoint { at: (x, _), interval, .. } in &line.points {
        let Some((lower, upper)) = *interval else { continue };
        let lines = [
            vec![(*x, lower), (*x, upper)],
            vec![(x - half, lower), (x + half, lower)],
            vec![(x - half, upper), (x + half, upper)],
        ];
        marks.extend(lines.map(|points| Mark::Line {
            points,
            ink: ink(line.name),
            width: 1.0,
            opacity: 0.7,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(figures: &[(f64, f64)]) -> Chart {
        let point = |&at: &(f64, f64)| ChartPoint {
            at,
            interval: Some((at.1 * 0.9, at.1 * 1.1)),
            label: "8 u".into(),
        };
        let line = |is_faint| ChartLine { name: 0, is_faint, points: figures.iter().map(point).collect() };
        let panel = ChartPanel {
            heading: "Latency".into(),
            note: "ms".into(),
            description: "one user: 5 ms".into(),
            x_name: "t/s",
            lines: vec![line(false), line(true)],
        };
        Chart {
            title: "Latency",
            subtitle: String::new(),
            caption: String::new(),
            names: vec!["a".into()],
            panels: vec![panel],
        }
    }

    #[test]
    fn a_picture_has_its_lines_and_the_figures_in_words() {
        let svg = draw_chart(chart(&[(10.0, 5.0), (40.0, 9.0)]), "nothing").unwrap().to_svg();
        assert!(svg.contains("<desc id=\"desc\">one user: 5 ms</desc>"), "{svg}");
        // Two lines of two points, the whiskers of four points, and a label at each of the line that counts.
        assert_eq!(svg.matches("class=\"s-series-1\"").count(), 2 + 3 * 4, "{svg}");
        assert_eq!(svg.matches("\n8 u\n").count(), 2, "{svg}");
        let again = draw_chart(chart(&[(10.0, 5.0), (40.0, 9.0)]), "nothing").unwrap().to_svg();
        assert_eq!(svg, again);
    }

    #[test]
    fn without_a_point_there_is_no_picture() {
        let refused = draw_chart(chart(&[]), "no load was measured").unwrap_err();
        assert_eq!(refused.to_string(), "there is nothing to draw: no load was measured");
    }

    #[test]
    fn figures_far_apart_are_drawn_on_a_logarithmic_axis() {
        assert!(axis([1.0, 1000.0].into_iter()).is_some_and(|axis| axis.is_log()));
        assert!(axis([0.0, 10.0].into_iter()).is_some_and(|axis| !axis.is_log() && axis.low() == 0.0));
        assert!(axis([0.0].into_iter()).is_some_and(|axis| axis.high() > 0.0));
        assert_eq!(axis(std::iter::empty()), None);
    }
}
