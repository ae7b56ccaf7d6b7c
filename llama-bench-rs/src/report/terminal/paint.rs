use anstyle::{AnsiColor, Style as Sgr};

use super::Style;

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Strong,
    Faint,
    Bar,
    Good,
    Warning,
    Bad,
}

/// Turns text into what this terminal can show.
pub(crate) struct Paint {
    style: Style,
}

impl Paint {
    /// Narrower than this nothing can be wrapped to.
    const NARROWEST: usize = 20;

    /// Lines of sentences longer than this are hard to read.
    const WIDEST_TEXT: usize = 110;

    pub(crate) fn new(style: Style) -> Self {
        Self { style: Style { width: style.width.max(Self::NARROWEST), ..style } }
    }

    pub(super) fn width(&self) -> usize {
        self.style.width
    }

    /// Coloured text, or plain text as it is.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
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

    /// The same line by line: a colour never crosses a line break.
    pub(crate) fn ink_lines(&self, ink: Ink, text: &str) -> String {
        text.lines().map(|line| format!("{}\n", self.ink(ink, line))).collect()
    }

    /// A command in lines that a shell reads as one, broken between arguments only.
    pub(super) fn command(&self, command: &str) -> String {
        const GOES_ON: &str = " \\\n    ";
        let (mut text, mut column) = (String::new(), 0);
        for (i, word) in arguments(&self.text(command)).into_iter().enumerate() {
            let length = word.chars().count();
            // Room for the blank before it and for what breaks the line behind it.
            if i > 0 && column + length + 3 > self.style.width {
                text += GOES_ON;
                column = 4;
            } else if i > 0 {
                text.push(' ');
                column += 1;
            }
            text += &word;
            column += length;
        }
        text + "\n"
    }

    /// Text in the characters that the terminal has.
    pub(crate) fn text(&self, text: &str) -> String {
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
                '–' => ascii.push('-'),
                HELD => ascii.push(' '),
                c if c.is_ascii() => ascii.push(c),
                _ => ascii.push('?'),
            }
        }
        ascii
    }

    /// Text behind a label of this width, wrapped and indented to stay behind it, with a line break at its end.
    pub(crate) fn wrapped(&self, label: &str, width: usize, text: &str) -> String {
        let room = self.style.width.min(Self::WIDEST_TEXT).saturating_sub(width).max(Self::NARROWEST);
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
        let bar: String = if self.style.unicode {
            let eighths = (share * width as f64 * 8.0).round() as usize;
            let part = EIGHTHS[eighths % 8];
            std::iter::repeat_n('█', eighths / 8).chain((part != ' ').then_some(part)).collect()
        } else {
            "#".repeat((share * width as f64).round() as usize)
        };
        let gap = width.saturating_sub(bar.chars().count());
        format!("{}{}", self.ink(Ink::Bar, &bar), " ".repeat(gap))
    }
}

/// A blank at which no line is broken, while lines are made.
const HELD: char = '\u{a0}';

/// The arguments of a command, each as it is quoted, a flag with its value.
fn arguments(command: &str) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    for word in words(command) {
        match arguments.last_mut() {
            Some(flag)
                if flag.starts_with('-') && !flag.contains(' ') && flag != "--" && !word.starts_with('-') =>
            {
                flag.push(' ');
                *flag += &word;
            }
            _ => arguments.push(word),
        }
    }
    arguments
}

/// The words of a command, each as it is quoted.
fn words(command: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut is_quoted = false;
    for c in command.chars() {
        is_quoted ^= c == '\'';
        match (c, arguments.last_mut()) {
            (' ', _) if !is_quoted => arguments.push(String::new()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    arguments
}

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
    fn a_command_is_broken_between_its_arguments() {
        let narrow = Paint::new(Style { width: 24, ..Style::default() });
        assert_eq!(
            narrow.command("sweep -m 'a long model name.gguf' -d 0,4096 -r 12"),
            "sweep \\\n    -m 'a long model name.gguf' \\\n    -d 0,4096 -r 12\n"
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
