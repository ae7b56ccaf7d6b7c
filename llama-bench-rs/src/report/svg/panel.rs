//! A panel: two axes and the marks between them, as plain data. Only [`Panel::draw`] draws.

use plotters::{
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Polygon, Text},
    prelude::SVGBackend,
    style::{
        Color, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    axis::Axis,
    theme::{Ink, themed},
};

/// Size of a panel in units; one is about a pixel on a screen.
pub(super) const SIZE: (u32, u32) = (400, 280);
/// plotters draws at whole numbers; this many of them are a unit.
pub(super) const FINE: u32 = 4;

const LEFT: f64 = 46.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 40.0;
/// Room on the right of the axes: for the end of the last tick's label, or for figures beside the lines.
pub(super) const RIGHT: f64 = 14.0;
pub(super) const RIGHT_WITH_FIGURES: f64 = 48.0;
/// Half the size of a marker.
pub(super) const MARKER: f64 = 3.5;
/// Height of a line of small text.
pub(super) const LINE: f64 = 13.0;

/// A place in the units of the axes.
pub(crate) type Point = (f64, f64);

/// The form of a marker: two lines must not differ by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Square,
    Triangle,
    Diamond,
}

impl Shape {
    pub const ALL: [Shape; 4] = [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Diamond];

    /// Its corners around the origin; none for a disc.
    pub fn corners(self) -> &'static [Point] {
        match self {
            Shape::Disc => &[],
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Triangle => &[(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
            Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        }
    }
}

/// Which side of its place a text begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something drawn between the axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A line through points.
    Line { points: Vec<Point>, ink: Ink, width: f64, opacity: f64 },
    /// A filled outline.
    Area { outline: Vec<Point>, ink: Ink, opacity: f64 },
    /// A marker.
    Marker { at: Point, shape: Shape, ink: Ink },
    /// A cross this many units above the lower axis: a cell that failed.
    Cross { x: f64, above: f64, ink: Ink },
    /// A text, moved from its place by this many units to the right and down.
    Label { at: Point, by: Point, anchor: Anchor, text: String, ink: Ink },
}

/// Two axes and the marks between them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    /// What is shown.
    pub heading: String,
    /// The unit and how to read the marks.
    pub note: String,
    /// The figures in words.
    pub description: String,
    pub x: Axis,
    /// What the lower axis counts.
    pub x_name: &'static str,
    pub y: Axis,
    /// Room on the right of the axes.
    pub right: f64,
    pub marks: Vec<Mark>,
}

/// Why plotters did not draw, as text: its own error type names the backend.
type BackendError = String;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn fine(units: f64) -> i32 {
    (units * f64::from(FINE)).round() as i32
}

fn font(size: f64, style: FontStyle) -> FontDesc<'static> {
    // The SVG backend divides by 1.24.
    FontDesc::new(FontFamily::SansSerif, size * f64::from(FINE) * 1.24, style)
}

fn text(size: f64, ink: Ink, h_pos: HPos) -> TextStyle<'static> {
    let color = ink.stand_in(1.0).to_backend_color();
    TextStyle { font: font(size, FontStyle::Normal), color, pos: Pos::new(h_pos, VPos::Center) }
}

fn stroke(ink: Ink, width: f64, opacity: f64) -> ShapeStyle {
    ShapeStyle { color: ink.stand_in(opacity), filled: false, stroke_width: fine(width).unsigned_abs() }
}

fn fill(ink: Ink, opacity: f64) -> ShapeStyle {
    ShapeStyle { color: ink.stand_in(opacity), filled: true, stroke_width: 0 }
}

fn message(error: impl std::fmt::Display) -> BackendError {
    error.to_string()
}

impl Panel {
    /// Width and height between the axes, in units.
    pub fn inner_size(right: f64) -> (f64, f64) {
        (f64::from(SIZE.0) - LEFT - right, f64::from(SIZE.1) - TOP - BOTTOM)
    }

    /// The elements of an SVG picture of [`SIZE`] times [`FINE`], without the `svg` element around them.
    pub fn draw(&self) -> Result<String, BackendError> {
        let mut svg = String::new();
        {
            let size = (SIZE.0 * FINE, SIZE.1 * FINE);
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            self.draw_on(&root)?;
            root.present().map_err(message)?;
        }
        let inner = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        Ok(themed(inner.map_or(svg.as_str(), |(inner, _)| inner)))
    }

    fn draw_on(&self, root: &Area<'_>) -> Result<(), BackendError> {
        let heading = text(14.0, Ink::Text, HPos::Left);
        let heading = TextStyle { font: font(14.0, FontStyle::Bold), ..heading };
        let line = |content: &str, y: f64, style| {
            root.draw(&Text::new(content.to_owned(), (fine(6.0), fine(y)), style)).map_err(message)
        };
        line(&self.heading, 14.0, heading)?;
        line(&self.note, 33.0, text(11.0, Ink::Muted, HPos::Left))?;

        let mut chart = ChartBuilder::on(root)
            .margin_top(fine(TOP))
            .margin_right(fine(self.right))
            .x_label_area_size(fine(BOTTOM))
            .y_label_area_size(fine(LEFT))
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(message)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_y_axis()
            .axis_style(stroke(Ink::Grid, 1.0, 1.0))
            .bold_line_style(stroke(Ink::Grid, 0.75, 1.0))
            .light_line_style(stroke(Ink::Grid, 0.75, 0.0))
            .set_all_tick_mark_size(fine(3.0))
            .label_style(text(11.0, Ink::Muted, HPos::Left))
            .axis_desc_style(text(11.0, Ink::Muted, HPos::Left))
            .x_desc(self.x_name)
            .draw()
            .map_err(message)?;
        // plotters has no labels without an axis line.
        for (tick, label) in self.y.ticks() {
            let (x, y) = chart.backend_coord(&(self.x.low(), *tick));
            let style = text(11.0, Ink::Muted, HPos::Right);
            root.draw(&Text::new(label.clone(), (x - fine(6.0), y), style)).map_err(message)?;
        }
        for mark in &self.marks {
            draw_mark(mark, root, |point| chart.backend_coord(&point), self.y.low())?;
        }
        Ok(())
    }
}

fn draw_mark(
    mark: &Mark,
    root: &Area<'_>,
    place: impl Fn(Point) -> (i32, i32),
    bottom: f64,
) -> Result<(), BackendError> {
    let near = |(x, y): (i32, i32), by: Point| (x + fine(by.0), y + fine(by.1));
    let drawn = match mark {
        Mark::Line { points, ink, width, opacity } => {
            let path: Vec<_> = points.iter().map(|&point| place(point)).collect();
            root.draw(&PathElement::new(path, stroke(*ink, *width, *opacity)))
        }
        Mark::Area { outline, ink, opacity } => {
            let path: Vec<_> = outline.iter().map(|&point| place(point)).collect();
            root.draw(&Polygon::new(path, fill(*ink, *opacity)))
        }
        Mark::Marker { at, shape: Shape::Disc, ink } => {
            root.draw(&Circle::new(place(*at), fine(MARKER), fill(*ink, 1.0)))
        }
        Mark::Marker { at, shape, ink } => {
            let corners = shape.corners().iter().map(|(x, y)| near(place(*at), (x * MARKER, y * MARKER)));
            root.draw(&Polygon::new(corners.collect::<Vec<_>>(), fill(*ink, 1.0)))
        }
        Mark::Cross { x, above, ink } => {
            let centre = near(place((*x, bottom)), (0.0, -8.0 - above));
            let arm = |dx: f64, dy: f64| vec![near(centre, (-dx, -dy)), near(centre, (dx, dy))];
            root.draw(&PathElement::new(arm(3.5, 3.5), stroke(*ink, 1.75, 1.0)))
                .and_then(|()| root.draw(&PathElement::new(arm(3.5, -3.5), stroke(*ink, 1.75, 1.0))))
        }
        Mark::Label { at, by, anchor, text: content, ink } => {
            let h_pos = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            root.draw(&Text::new(content.clone(), near(place(*at), *by), text(11.0, *ink, h_pos)))
        }
    };
    drawn.map_err(message)
}

/// About how wide a small text is, in units; there are no fonts to measure it with.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.1
}

/// A text of at most this many units.
pub(super) fn shortened(text: &str, width: f64) -> String {
    let most = (width / width_of("x")) as usize;
    crate::units::text::shortened(text, most)
}
