//! The order in which lanes take their turns: none may always have the best place.

/// The order of the lanes in one repetition. Two alternate back and forth. Of more, each has every place once in as many
/// repetitions as there are lanes, and none has two turns in a row, which would find its own context in the caches.
pub(crate) fn turns(n_lanes: usize, rep: u32) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..n_lanes).collect();
    turns.rotate_left(rep as usize % n_lanes.max(1));
    turns
}

/// The context that is created first in one of several runs; the others follow in a circle. The order decides where
/// memory lies, and that up to a tenth of the speed on a CPU. So each run begins with another context.
pub(super) fn first_created(n_contexts: usize, run: u32, n_runs: u32) -> usize {
    let step = n_contexts.div_ceil(n_runs.max(1) as usize);
    (run as usize * step) % n_contexts.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lanes_alternate() {
        assert_eq!((0..4).map(|rep| turns(2, rep)).collect::<Vec<_>>(), [[0, 1], [1, 0], [0, 1], [1, 0]]);
        assert_eq!(turns(0, 3), [0; 0]);
    }

    #[test]
    fn no_lane_of_three_or_more_has_two_turns_in_a_row_or_a_place_of_its_own() {
        for n in 3..20 {
            let all: Vec<usize> = (0..n as u32).flat_map(|rep| turns(n, rep)).collect();
            assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{n} lanes: {all:?}");
            for place in 0..n {
                let mut at: Vec<usize> = all.chunks(n).map(|turns| turns[place]).collect();
                at.sort_unstable();
                assert_eq!(at, (0..n).collect::<Vec<_>>(), "{n} lanes, place {place}");
            }
        }
    }

    #[test]
    fn every_run_creates_contexts_in_another_order() {
        let first = |n, n_runs| (0..n_runs).map(|run| first_created(n, run, n_runs)).collect::<Vec<_>>();
        assert_eq!(first(3, 3), [0, 1, 2]);
        assert_eq!(first(12, 3), [0, 4, 8]);
        assert_eq!(first(2, 3), [0, 1, 0]);
        assert_eq!(first(1, 2), [0, 0]);
    }
}
