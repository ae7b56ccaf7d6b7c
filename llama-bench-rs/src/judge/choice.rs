//! From the ranking of each test to the side that is worth asking for.

use super::RankedTest;

/// A side to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// For which kind of tests it is, `pp`, `tg` or `embd`; `None` for all.
    pub family: Option<&'static str>,
    /// The side, from 0: an index of what was ranked.
    pub side: usize,
}

/// One side for everything, if one leads in every test; else one for each kind of tests that has such a side. Empty if all
/// of them are the reference, which is in use already.
pub(super) fn choices(tests: &[RankedTest], reference: usize) -> Vec<Choice> {
    let all: Vec<&RankedTest> = tests.iter().collect();
    let mut families: Vec<&'static str> = Vec::new();
    for ranked in tests {
        if !families.contains(&ranked.test.kind.family()) {
            families.push(ranked.test.kind.family());
        }
    }
    let of_family = |family: &'static str| {
        let tests = all.iter().copied().filter(|ranked| ranked.test.kind.family() == family);
        Some(Choice { family: Some(family), side: choose(&tests.collect::<Vec<_>>(), reference)? })
    };
    let choices: Vec<Choice> = match choose(&all, reference) {
        Some(side) => vec![Choice { family: None, side }],
        None => families.into_iter().filter_map(of_family).collect(),
    };
    if choices.iter().all(|choice| choice.side == reference) { Vec::new() } else { choices }
}

/// The side that leads in all of these tests: the reference if it does, else the one that is nearest to the top on the
/// whole.
fn choose(tests: &[&RankedTest], reference: usize) -> Option<usize> {
    let (first, others) = tests.split_first()?;
    let leads = |side: usize, ranked: &RankedTest| ranked.leading().any(|place| place.side == side);
    let candidates = first.leading().map(|place| place.side);
    let leading: Vec<usize> =
        candidates.filter(|&side| others.iter().all(|ranked| leads(side, ranked))).collect();
    if leading.contains(&reference) {
        return Some(reference);
    }
    let place = |side: usize, ranked: &RankedTest| ranked.places.iter().position(|it| it.side == side);
    leading
        .into_iter()
        .min_by_key(|&side| tests.iter().filter_map(|ranked| place(side, ranked)).sum::<usize>())
}
