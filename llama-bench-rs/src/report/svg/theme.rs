//! Colours by role, in light and in dark.

use std::fmt::Write;

use plotters::style::{RGBAColor, RGBColor};

/// What a stroke or a letter is for. The picture is drawn in colours that stand for these roles; [`themed`] then
/// makes each a class that a style sheet can set, with the light colour as a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// What must be read.
    Text,
    /// What may be read.
    Muted,
    /// Axes and lines behind the figures.
    Grid,
    /// What went wrong.
    Warning,
    /// The n-th line of a picture; colours repeat after [`Ink::N_SERIES`].
    Series(usize),
}

/// Name of the custom property, light colour, dark colour. Text and series have a contrast of at least 4.5 : 1 to
/// [`SURFACE`].
const INKS: [(&str, &str, &str); 12] = [
    ("text", "#1f2328", "#e6edf3"),
    ("muted", "#59636e", "#9aa4af"),
    ("grid", "#d5dbe1", "#30363d"),
    ("warning", "#b42318", "#ff8b7e"),
    ("series-1", "#0b5cad", "#6cb0ff"),
    ("series-2", "#b35000", "#ffa657"),
    ("series-3", "#0f7346", "#56d39b"),
    ("series-4", "#9a2f88", "#e58fd8"),
    ("series-5", "#0a7384", "#5fd3e3"),
    ("series-6", "#a5303c", "#ff9d9d"),
    ("series-7", "#6b6600", "#d2d05a"),
    ("series-8", "#565b70", "#b4bcd2"),
];

/// The background: light, dark.
pub(crate) const SURFACE: (&str, &str) = ("#ffffff", "#0d1117");

/// Red and green of the colours that stand for roles; blue is the place in [`INKS`].
const STAND_IN: (u8, u8) = (1, 2);

impl Ink {
    /// How many series have a colour of their own.
    pub const N_SERIES: usize = 8;

    fn index(self) -> usize {
        match self {
            Ink::Text => 0,
            Ink::Muted => 1,
            Ink::Grid => 2,
            Ink::Warning => 3,
            Ink::Series(n) => 4 + n % Self::N_SERIES,
        }
    }

    /// The colour that stands for it.
    pub fn stand_in(self, opacity: f64) -> RGBAColor {
        let RGBColor(r, g, b) = RGBColor(STAND_IN.0, STAND_IN.1, self.index() as u8);
        RGBAColor(r, g, b, opacity)
    }

    /// Its class for shapes and letters.
    pub fn fill_class(self) -> String {
        format!("f-{}", INKS[self.index()].0)
    }

    /// Its light colour, for viewers without style sheets.
    pub fn light(self) -> &'static str {
        INKS[self.index()].1
    }
}

/// Replaces the colours of roles by classes.
pub(super) fn themed(svg: &str) -> String {
    let mut svg = svg.replace(" opacity=\"1\"", "");
    for (i, (name, light, _)) in INKS.iter().enumerate() {
        let stand_in = format!("#{:02X}{:02X}{i:02X}", STAND_IN.0, STAND_IN.1);
        for (attribute, class) in [("fill", "f"), ("stroke", "s")] {
            // Quotes in text are escaped: only attributes match.
            svg = svg.replace(
                &format!("{attribute}=\"{stand_in}\""),
                &format!("class=\"{class}-{name}\" {attribute}=\"{light}\""),
            );
        }
    }
    svg
}

/// The style sheet for pictures that are part of a page: classes only; the page sets the [`properties`].
pub(crate) fn classes() -> String {
    let mut css = String::from(".picture text{font-family:inherit}.picture polyline{stroke-linejoin:round}");
    for (name, ..) in INKS {
        // Writing to a String cannot fail.
        let _ = write!(css, ".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}");
    }
    css
}

/// The colours as custom properties: light, dark.
pub(crate) fn properties() -> (String, String) {
    let all = |surface: &str, pick: fn(&(&str, &str, &'static str)) -> String| {
        let inks: String = INKS.iter().map(pick).collect();
        format!("--surface:{surface};{inks}")
    };
    (
        all(SURFACE.0, |(name, light, _)| format!("--{name}:{light};")),
        all(SURFACE.1, |(name, _, dark)| format!("--{name}:{dark};")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_become_classes_and_text_stays() {
        let drawn =
            "<line opacity=\"1\" stroke=\"#010202\"/><text fill=\"#010204\">fill=&quot;#010204&quot;</text>";
        assert_eq!(
            themed(drawn),
            "<line class=\"s-grid\" stroke=\"#d5dbe1\"/>\
             <text class=\"f-series-1\" fill=\"#0b5cad\">fill=&quot;#010204&quot;</text>"
        );
    }

    #[test]
    fn series_repeat_their_colours() {
        assert_eq!(Ink::Series(8), Ink::Series(8));
        assert_eq!(Ink::Series(9).light(), Ink::Series(1).light());
        assert_ne!(Ink::Series(0).light(), Ink::Warning.light());
    }

    /// As WCAG 2 defines it.
    #[test]
    fn what_is_read_stands_out_from_the_background() {
        let luminance = |colour: &str| {
            let channel = |i: usize| {
                let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let contrast = |a: &str, b: &str| {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for (name, light, dark) in INKS.into_iter().filter(|(name, ..)| *name != "grid") {
            assert!(contrast(light, SURFACE.0) >= 4.5, "{name} in light: {}", contrast(light, SURFACE.0));
            assert!(contrast(dark, SURFACE.1) >= 4.5, "{name} in dark: {}", contrast(dark, SURFACE.1));
        }
    }
}
