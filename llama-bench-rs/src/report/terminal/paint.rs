use anstyle::{AnsiColor, Style as Sgr};

use super::Style;

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Strong,
    Faint,
    Bar,
    Good,
    Warning,
    Bad,
}

/// Turns text into what this terminal can show.
pub(super) struct Paint {
    style: Style,
}

impl Paint {
    /// Narrower than this nothing can be wrapped to.
    const NARROWEST: usize = 20;

    pub(super) fn new(style: Style) -> Self {
        Self { style: Style { width: style.width.max(Self::NARROWEST), ..style } }
    }

    pub(super) fn width(&self) -> usize {
        self.style.width
    }

    /// Coloured text, or plain text as it is.
    pub(super) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.style.colour || text.trim().is_empty() {
            return text.into();
        }
        let sgr = match ink {
            Ink::Strong => Sgr::new().bold(),
            Ink::Faint => Sgr::new().dimmed(),
            Ink::Bar => AnsiColor::Cyan.on_default(),
            Ink::Good => AnsiColor::Green.on_default(),
            Ink::Warning => AnsiColor::Yellow.on_default(),
            Ink::Bad => AnsiColor::Red.on_default(),
        };
        format!("{sgr}{text}{sgr:#}")
    }

    /// Text in the characters that the terminal has.
    pub(super) fn text(&self, text: &str) -> String {
        if self.style.unicode || text.is_ascii() {
            return text.into();
        }
        let mut ascii = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '±' => ascii.push_str("+/-"),
                'µ' => ascii.push('u'),
                // As in `63 C`.
                '°' => {}
                '…' => ascii.push_str("..."),
                HELD => ascii.push(' '),
                c if c.is_ascii() => ascii.push(c),
                _ => ascii.push('?'),
            }
        }
        ascii
    }

    /// Text behind a label of this width, wrapped so that it stays behind it, with a line break at its end.
    pub(super) fn wrapped(&self, label: &str, width: usize, text: &str) -> String {
        let room = self.style.width.saturating_sub(width).max(Self::NARROWEST);
        let text = keep_units(text)
            .split(HELD)
            .map(|part| self.text(part))
            .collect::<Vec<_>>()
            .join(&HELD.to_string());
        let lines = textwrap::wrap(&text, room);
        let mut wrapped = String::new();
        for (i, line) in lines.iter().enumerate() {
            match i {
                0 => wrapped += label,
                _ => wrapped.extend(std::iter::repeat_n(' ', width)),
            }
            wrapped += &line.replace(HELD, " ");
            wrapped.push('\n');
        }
        wrapped
    }

    /// A bar of this share of `width` columns.
    pub(super) fn bar(&self, share: f64, width: usize) -> String {
        const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
        let share = share.clamp(0.0, 1.0);
        let bar: String = match self.style.unicode {
            true => {
                let eighths = (share * width as f64 * 8.0).round() as usize;
                let part = EIGHTHS[eighths % 8];
                std::iter::repeat_n('█', eighths / 8).chain((part != ' ').then_some(part)).collect()
            }
            false => "#".repeat((share * width as f64).round() as usize),
        };
        let gap = width.saturating_sub(bar.chars().count());
        format!("{}{}", self.ink(Ink::Bar, &bar), " ".repeat(gap))
    }
}

/// A blank at which no line is broken, while lines are made.
const HELD: char = '\u{a0}';

/// Holds numbers and their units together.
fn keep_units(text: &str) -> String {
    const UNITS: [&str; 13] =
        ["t/s", "%", "ns", "µs", "ms", "s", "min", "h", "MiB", "GiB", "GiB/s", "MiB/s", "tokens"];
    let mut kept = String::with_capacity(text.len());
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '%'));
        let holds = kept.ends_with('±') || is_unit && kept.ends_with(|c: char| c.is_ascii_digit());
        if !kept.is_empty() {
            kept.push(if holds { HELD } else { ' ' });
        }
        kept += word;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paint(unicode: bool) -> Paint {
        Paint::new(Style { unicode, ..Style::default() })
    }

    #[test]
    fn bars_are_true_to_an_eighth_of_a_column() {
        assert_eq!(paint(true).bar(0.5, 5), "██▌  ");
        assert_eq!(paint(true).bar(1.0, 3), "███");
        assert_eq!(paint(true).bar(7.0, 3), "███");
        assert_eq!(paint(false).bar(0.66, 3), "## ");
        assert_eq!(paint(true).bar(f64::NAN, 2).trim(), "");
    }

    #[test]
    fn a_number_keeps_its_unit() {
        let narrow = Paint::new(Style { width: 22, unicode: false, ..Style::default() });
        assert_eq!(
            narrow.wrapped("- ", 2, "it takes some time, 11.1 ms (± 2 %)."),
            "- it takes some time,\n  11.1 ms (+/- 2 %).\n"
        );
    }

    #[test]
    fn ascii_is_ascii() {
        assert_eq!(paint(false).text("5 ± 1 µs, é…"), "5 +/- 1 us, ?...");
        assert_eq!(
            paint(false).text("a\u{a0}name"),
            "a name",
            "a blank that holds is not a character of ours alone"
        );
        assert_eq!(paint(true).text("5 ± 1 µs"), "5 ± 1 µs");
    }
}
