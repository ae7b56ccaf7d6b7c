use super::{
    super::{Fact, answer::SharedFacts},
    heading,
    paint::{Ink, Paint},
};

/// The configuration: what all runs have in common once, then of each run what is its own.
pub(super) fn facts(all: &SharedFacts, paint: &Paint) -> String {
    let facts = || all.own.iter().flat_map(|(_, facts)| facts).chain(&all.shared);
    let width = facts().map(|fact| fact.label.chars().count()).max().unwrap_or(0) + 2;
    let mut text = lines(&all.shared, width, paint);
    for (name, own) in &all.own {
        text += &paint.ink_lines(Ink::Strong, &paint.wrapped("", 0, name));
        text += &lines(own, width, paint);
    }
    if text.is_empty() { text } else { heading(paint, "Configuration") + &text }
}

/// Labels in a column of their own.
fn lines(facts: &[Fact], width: usize, paint: &Paint) -> String {
    let line = |fact: &Fact| {
        let label = paint.ink(Ink::Faint, &format!("{:<width$}", format!("{}:", fact.label)));
        paint.wrapped(&label, width, &fact.value)
    };
    facts.iter().map(line).collect()
}
