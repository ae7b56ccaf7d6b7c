//! From the ranking of each test to the side that is worth asking for.

use super::RankedTest;

/// A side to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// For which kind of tests it is, `pp`, `tg` or `embd`; `None` for all.
    pub family: Option<&'static str>,
    /// For how many sequences at once it is; `None` for every number of them.
    pub n_parallel: Option<u32>,
    /// The side, from 0: an index of what was ranked.
    pub side: usize,
}

/// One side for everything, if one leads in every test; else one for each kind of tests that has such a side, or for each
/// number of sequences of a kind. Empty if all of them are the reference, which is in use already.
pub(super) fn choices(tests: &[RankedTest], reference: usize) -> Vec<Choice> {
    let all: Vec<&RankedTest> = tests.iter().collect();
    let choices: Vec<Choice> = match choose(&all, reference) {
        Some(side) => vec![Choice { family: None, n_parallel: None, side }],
        None => by(&all, |ranked| ranked.test.kind.family())
            .into_iter()
            .flat_map(|(family, tests)| of_family(family, &tests, reference))
            .collect(),
    };
    if choices.iter().all(|choice| choice.side == reference) { Vec::new() } else { choices }
}

fn of_family(family: &'static str, tests: &[&RankedTest], reference: usize) -> Vec<Choice> {
    let family = Some(family);
    if let Some(side) = choose(tests, reference) {
        return vec![Choice { family, n_parallel: None, side }];
    }
    let levels = by(tests, |ranked| ranked.test.n_parallel);
    if levels.len() == 1 {
        return Vec::new();
    }
    let of_level = |(n, tests): (u32, Vec<&RankedTest>)| {
        Some(Choice { family, n_parallel: Some(n), side: choose(&tests, reference)? })
    };
    levels.into_iter().filter_map(of_level).collect()
}

/// The tests that have the same key together, in the order in which each key first occurs.
fn by<'a, K: PartialEq>(
    tests: &[&'a RankedTest],
    key: impl Fn(&RankedTest) -> K,
) -> Vec<(K, Vec<&'a RankedTest>)> {
    let mut groups: Vec<(K, Vec<&RankedTest>)> = Vec::new();
    for &test in tests {
        let own = key(test);
        match groups.iter_mut().find(|(known, _)| *known == own) {
            Some((_, tests)) => tests.push(test),
            None => groups.push((own, vec![test])),
        }
    }
    groups
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
