//! Commands: lines that begin with `/`.

/// What can be done besides asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Lists the commands.
    Help,
    /// Ends the chat.
    Quit,
    /// Forgets the conversation.
    Reset,
    /// Figures of the conversation.
    Stats,
    /// Shows the system message, or sets it.
    System(Option<String>),
    /// Continues the last answer.
    More,
    /// Takes back the last prompt.
    Undo,
    /// Drops the oldest turns.
    Drop(usize),
    /// Shows the conversation.
    History,
    /// No command has this name, or not this argument.
    Wrong(String),
}

/// What `/help` shows.
pub const HELP: &str = "\
/help          lists the commands
/stats         shows speed and use of the context
/more          continues the last answer where it was cut
/undo          takes back the last prompt and its answer
/drop [N]      drops the N oldest turns (default 1) to make room
/system [TEXT] shows the system message, or sets it; /system - removes it
/history       shows the conversation
/reset         begins a new conversation
/quit          ends the chat, as Ctrl-D does
//TEXT         sends /TEXT as a prompt
Ctrl-C stops the answer; at the prompt it ends the chat.";

impl Command {
    /// Whether it changes nothing.
    pub fn only_tells(&self) -> bool {
        matches!(self, Self::Help | Self::Stats | Self::History | Self::System(None) | Self::Wrong(_))
    }

    /// The command in a line; `None` if the line is a prompt.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (name, argument) = (name.strip_prefix('/')?, argument.trim());
        // Paths and comments are prompts.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic()) {
            return None;
        }
        let command = match (name, argument) {
            ("system", "") => Self::System(None),
            ("system", "-") => Self::System(Some(String::new())),
            ("system", text) => Self::System(Some(text.into())),
            ("drop", "") => Self::Drop(1),
            ("drop", number) => match number.parse() {
                Ok(n @ 1..) => Self::Drop(n),
                _ => Self::Wrong(format!("/drop {number}: not a number of turns; write /drop 2")),
            },
            ("help" | "h" | "commands", "") => Self::Help,
            ("quit" | "exit" | "bye" | "q", "") => Self::Quit,
            ("reset" | "clear" | "new", "") => Self::Reset,
            ("stats", "") => Self::Stats,
            ("more" | "continue", "") => Self::More,
            ("undo", "") => Self::Undo,
            ("history", "") => Self::History,
            (
                "help" | "h" | "commands" | "quit" | "exit" | "bye" | "q" | "reset" | "clear" | "new"
                | "stats" | "more" | "continue" | "undo" | "history",
                _,
            ) => Self::Wrong(format!("/{name} takes no argument; write //{name} to send it as a prompt")),
            _ => Self::Wrong(format!(
                "/{name}: not a command; /help lists them, and //{name} sends it as a prompt"
            )),
        };
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_prompts() {
        let parse = Command::parse;
        assert_eq!(parse("/quit"), Some(Command::Quit));
        assert_eq!(parse("  /reset  "), Some(Command::Reset));
        assert_eq!(parse("/system  Be brief. "), Some(Command::System(Some("Be brief.".into()))));
        assert_eq!(parse("/system"), Some(Command::System(None)));
        assert_eq!(parse("/system -"), Some(Command::System(Some(String::new()))));
        assert_eq!(parse("/drop"), Some(Command::Drop(1)));
        assert_eq!(parse("/drop 3"), Some(Command::Drop(3)));
        for prompt in ["hello", "", "/", "//quit", "/usr/bin/env is what?", "/* a comment */", "a /quit"] {
            assert_eq!(parse(prompt), None, "{prompt}");
        }
        for wrong in ["/quti", "/drop 0", "/drop two", "/drop -1", "/quit now", "/undo 2"] {
            let Some(Command::Wrong(why)) = parse(wrong) else { panic!("{wrong} is taken") };
            assert!(why.starts_with(wrong.split(' ').next().unwrap()), "{why}");
        }
    }

    #[test]
    fn help_fits_80_columns() {
        assert_eq!(HELP.lines().find(|line| line.chars().count() > 80), None);
    }

    #[test]
    fn help_names_every_command() {
        for line in HELP.lines().filter(|line| line.starts_with('/') && !line.starts_with("//")) {
            let name = line.split(' ').next().unwrap();
            assert!(!matches!(Command::parse(name), None | Some(Command::Wrong(_))), "{name}");
        }
    }
}
