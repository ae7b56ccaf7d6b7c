use std::io::IsTerminal;
#[cfg(unix)]
use std::os::fd::AsFd as AsStream;
#[cfg(windows)]
use std::os::windows::io::AsHandle as AsStream;

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it by escape sequences: only for a terminal.
    pub colour: bool,
    /// Columns to fill. What does not fit beside each other stands below each other.
    pub width: usize,
    /// Lines that a terminal shows; `None` if it is not known, or there is no terminal. A report that is longer ends with its
    /// answer, which has scrolled away.
    pub height: Option<usize>,
    /// Whether to use characters beyond ASCII, such as `±` and block bars.
    pub unicode: bool,
}

impl Default for Style {
    /// Plain Unicode text, 100 columns wide.
    fn default() -> Self {
        Self { colour: false, width: 100, height: None, unicode: true }
    }
}

impl Style {
    /// What fits a stream: the width and the colours of a terminal, colours unless `NO_COLOR` is set; of anything else
    /// plain text as wide as `COLUMNS` says, or 100 columns.
    #[cfg(any(unix, windows))]
    pub fn of<S: IsTerminal + AsStream>(stream: &S) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let size = terminal_size::terminal_size_of(stream);
        let style = Self::with(stream.is_terminal(), size.map(|(width, _)| usize::from(width.0)), variable);
        let height = size.map(|(_, height)| usize::from(height.0)).filter(|&lines| lines > 0);
        Self { height: height.filter(|_| stream.is_terminal()), ..style }
    }

    /// The same from what is known of the stream and the environment.
    fn with(is_terminal: bool, columns: Option<usize>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let told = || variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = columns.filter(|&columns| is_terminal && columns > 0).or_else(told);
        let default = Self::default();
        Self {
            colour: is_terminal && variable("NO_COLOR").is_none(),
            width: width.unwrap_or(default.width),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_terminal: bool, columns: Option<usize>, set: &[(&str, &str)]) -> (bool, usize) {
        let value =
            |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let style = Style::with(is_terminal, columns, value);
        (style.colour, style.width)
    }

    #[test]
    fn a_terminals_own_width_counts_before_the_variable() {
        assert_eq!(with(true, Some(80), &[("COLUMNS", "200")]), (true, 80));
        assert_eq!(with(true, Some(80), &[("NO_COLOR", "1")]), (false, 80));
        assert_eq!(with(true, Some(80), &[("NO_COLOR", "")]), (true, 80));
        // A serial line has no width.
        assert_eq!(with(true, Some(0), &[("COLUMNS", "132")]), (true, 132));
        assert_eq!(with(true, None, &[]), (true, 100));
    }

    #[test]
    fn without_a_terminal_the_variable_counts() {
        assert_eq!(with(false, None, &[("COLUMNS", "60")]), (false, 60));
        assert_eq!(with(false, Some(80), &[]), (false, 100), "the width of another stream's terminal");
        assert_eq!(with(false, None, &[("COLUMNS", "wide")]), (false, 100));
    }
}
