//! From the best of each test to what is worth asking for.

use super::{Best, Choice};

/// One configuration for everything if one is nowhere surely slower than the best; else one for each kind of tests for
/// which there is such a one. Nothing if that is the reference: it is asked for already.
pub(super) fn choices(tests: &[Best], reference: usize) -> Vec<Choice> {
    let all: Vec<&Best> = tests.iter().collect();
    let mut families: Vec<&'static str> = Vec::new();
    for best in tests {
        if !families.contains(&best.test.kind.family()) {
            families.push(best.test.kind.family());
        }
    }
    let of_family = |family: &&'static str| {
        let of_it: Vec<&Best> =
            all.iter().copied().filter(|best| best.test.kind.family() == *family).collect();
        Some(Choice { family: Some(*family), configuration: choose(&of_it, reference)? })
    };
    let choices: Vec<Choice> = match choose(&all, reference) {
        Some(configuration) => vec![Choice { family: None, configuration }],
        None => families.iter().filter_map(of_family).collect(),
    };
    if choices.iter().all(|choice| choice.configuration == reference) { Vec::new() } else { choices }
}

/// The configuration that is surely slower than the best in none of these tests: the reference if it is one, else the one
/// that is nearest to the top on the whole.
fn choose(tests: &[&Best], reference: usize) -> Option<usize> {
    let leads = |one: usize, best: &Best| best.configuration == one || best.tied.contains(&one);
    let (first, others) = tests.split_first()?;
    let candidates = std::iter::once(first.configuration).chain(first.tied.iter().copied());
    let leading: Vec<usize> = candidates.filter(|&one| others.iter().all(|best| leads(one, best))).collect();
    if leading.contains(&reference) {
        return Some(reference);
    }
    let place = |one: usize, best: &&Best| best.order.iter().position(|other| *other == one).unwrap_or(0);
    leading.into_iter().min_by_key(|&one| tests.iter().map(|best| place(one, best)).sum::<usize>())
}
