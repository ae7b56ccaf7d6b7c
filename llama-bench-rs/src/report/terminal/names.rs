use super::{
    super::{answer::Answer, in_words::one_line},
    paint::Paint,
};

/// What configurations are called in tables: their names, or letters if a name would leave no room for figures.
pub(super) struct Names {
    /// Each name once, in the order measured.
    names: Vec<String>,
    by_letter: bool,
}

impl Names {
    pub(super) fn of(answer: &Answer, width: usize) -> Self {
        let names: Vec<String> = answer.configurations.iter().map(|it| it.name.clone()).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { names, by_letter: longest > (width / 3).max(16) }
    }

    /// What stands in a table.
    pub(super) fn short(&self, name: &str) -> String {
        match self.names.iter().position(|known| known == name) {
            Some(index) if self.by_letter => letter(index),
            _ => one_line(name),
        }
    }

    /// Which letter stands for which name; empty if the names themselves are used.
    pub(super) fn legend(&self, paint: &Paint) -> String {
        if !self.by_letter {
            return String::new();
        }
        let width = letter(self.names.len().saturating_sub(1)).len() + 2;
        let lines = self
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| paint.wrapped(&format!("{:<width$}", letter(i)), width, &one_line(name)));
        format!("\n{}", lines.collect::<String>())
    }
}

/// A to Z, then AA to AZ and so on.
fn letter(index: usize) -> String {
    let last = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letter(more - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 51, 52, 701, 702].map(letter), ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
