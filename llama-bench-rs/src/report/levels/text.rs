//! The sentences about several sequences. A sequence is called a user: that is who waits for it.

use std::fmt;

use super::{LevelFigure, LevelRow, Levels};
use crate::{
    judge::{Knee, LevelStep},
    report::in_words::{context, count, percent_as_written, speed},
};

impl Levels {
    /// The sentences, each on its own: what the total reaches, what one more step costs and brings, and the knee. Empty if
    /// fewer than two numbers of sequences have a figure.
    pub fn sentences(&self) -> Vec<String> {
        let Some(test) = self.generation.or(self.prefill).filter(|_| !self.steps.is_empty()) else {
            return Vec::new();
        };
        let place = format!("In {} ({})", context(self.n_depth), test.at_any_depth());
        let said = [self.most(), self.step(), self.knee.map(|knee| self.knee_words(knee))];
        let mut said: Vec<String> = said.into_iter().flatten().collect();
        if let Some(first) = said.first_mut() {
            *first = format!("{place}, {first}");
        }
        said
    }

    fn figure(&self, row: &LevelRow) -> Option<LevelFigure> {
        row.main(self.generation.is_some())
    }

    fn figure_at(&self, n_parallel: u32) -> Option<LevelFigure> {
        self.figure(self.rows.iter().find(|row| row.n_parallel == n_parallel)?)
    }

    /// What all reach together at most; `None` if that is one user alone, or not surely more than one gets.
    fn most(&self) -> Option<String> {
        let all = self.rows.iter().filter_map(|row| Some((row.n_parallel, self.figure(row)?)));
        let total = |figure: &LevelFigure| figure.total.rate.get();
        let (n, most) = all.max_by(|(_, a), (_, b)| total(a).total_cmp(&total(b))).filter(|(n, _)| *n > 1)?;
        if most.scaling.is_some_and(|scaling| scaling.is_sure() == Some(false)) {
            return None;
        }
        let scaling = most.scaling_words();
        let scaling =
            if scaling.is_empty() { scaling } else { format!(", {scaling} the speed of one alone") };
        Some(format!("{} reach {} t/s together{scaling}.", users(n), speed(most.total.rate)))
    }

    /// What each user gets on both sides of the step that says most: the one behind the knee, or the last one.
    fn step(&self) -> Option<String> {
        let behind = |n: u32| self.steps.iter().find(|step| step.from == n);
        let step = match self.knee {
            Some(Knee::At(n) | Knee::Between(n, _) | Knee::From(n)) => behind(n),
            _ => None,
        };
        let LevelStep { from, to, growth } = *step.or(self.steps.last())?;
        let (few, many) = (self.figure_at(from)?, self.figure_at(to)?);
        let (of_few, of_many) = (speed(few.each.rate), speed(many.each.rate));
        let told = match from {
            1 => format!("1 user gets {of_few} t/s; with {to}, each gets {of_many} t/s"),
            n => format!("{n} users get {of_few} t/s each; with {to}, each gets {of_many} t/s"),
        };
        let Some(growth) = growth else { return Some(format!("{told}.")) };
        if growth.is_sure() == Some(false) {
            return Some(format!("{told}: no sure difference in total."));
        }
        let word = if growth.change.get() < 0.0 { "falls" } else { "grows" };
        let interval = growth.interval.map_or_else(String::new, |bounds| {
            let (a, b) = (bounds.lower().size(), bounds.upper().size());
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            format!(" (95 % interval: {low:.1} to {high:.1})")
        });
        Some(format!("{told}: the total {word} by {:.1}{interval}.", growth.change.size()))
    }

    fn knee_words(&self, knee: Knee) -> String {
        let limit = percent_as_written(Knee::GROWTH);
        match knee {
            Knee::At(n) if self.steps.first().is_some_and(|step| step.from == n) => {
                format!("From {} on, the total grows by less than {limit} per doubling.", users(n))
            }
            Knee::At(n) => format!(
                "The total still grows by more than {limit} per doubling up to {}, and by less from there on.",
                users(n)
            ),
            Knee::Between(a, b) => format!(
                "From {b} users on, the total grows by less than {limit} per doubling; whether it already does from {} on \
                 is not sure.",
                users(a)
            ),
            Knee::From(n) => format!(
                "Whether the total still grows by {limit} per doubling from {} on is not sure.",
                users(n)
            ),
            Knee::Beyond(n) => format!(
                "The total still grows by more than {limit} per doubling at {}, the most measured.",
                users(n)
            ),
            Knee::Unknown => "After how many users more of them bring little cannot be told: the spread of the speeds is not \
                              known."
                .to_owned(),
        }
    }
}

fn users(n: u32) -> String {
    count(n, "user")
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().join(" "))
    }
}
