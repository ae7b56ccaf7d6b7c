//! Which runs of this campaign resume which runs of an earlier one.

use super::Configuration;
use crate::{
    bench::BenchError,
    record::{Header, Report, Run},
};

/// The place of each earlier run among the runs of the campaign: the n-th run of the i-th configuration has the place
/// n · configurations + i. The header of a run decides its configuration; runs of one configuration keep their order.
///
/// # Errors
/// The earlier report holds a run of a configuration that is not among these, or more runs of one than are asked for.
pub(crate) fn places_of(configurations: &[Configuration], earlier: &Report) -> Result<Vec<u32>, BenchError> {
    let mut taken = vec![0; configurations.len()];
    let mut place = |run: &Run| {
        let alike: Vec<usize> = (0..configurations.len())
            .filter(|&i| differences(&configurations[i], &run.header).is_empty())
            .collect();
        // Equal configurations take runs in turn, as they were measured.
        let Some(index) = alike.iter().copied().min_by_key(|&i| taken[i]) else {
            return Err(other(configurations, &run.header));
        };
        let n_runs = configurations[index].n_runs;
        if taken[index] >= n_runs {
            return Err(BenchError::MoreRuns {
                name: configurations[index].name.clone(),
                n_runs: n_runs * alike.len() as u32,
            });
        }
        taken[index] += 1;
        Ok((taken[index] - 1) * configurations.len() as u32 + index as u32)
    };
    earlier.runs.iter().map(&mut place).collect()
}

/// What differs from the configuration that is nearest.
fn other(configurations: &[Configuration], theirs: &Header) -> BenchError {
    let all = configurations.iter().map(|ours| differences(ours, theirs));
    BenchError::OtherRun { differences: all.min_by_key(Vec::len).unwrap_or_default() }
}

fn differences(ours: &Configuration, theirs: &Header) -> Vec<crate::record::Difference> {
    ours.header.differences(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::tests::request;

    fn configuration(n_ubatch: u32, n_runs: u32) -> Configuration {
        let mut header = Header::default();
        header.config.n_ubatch = Some(n_ubatch);
        let (name, plan) = (format!("ub {n_ubatch}"), request().plan().unwrap());
        Configuration { name, header, plan, n_runs, defect: None }
    }

    fn report(sizes: &[u32]) -> Report {
        let run = |&n_ubatch: &u32| Run {
            header: configuration(n_ubatch, 1).header,
            cells: Vec::new(),
            curve: Vec::new(),
        };
        Report { runs: sizes.iter().map(run).collect() }
    }

    #[test]
    fn a_run_is_found_by_its_configuration_wherever_it_stood() {
        let ours = [64, 128, 256].map(|n_ubatch| configuration(n_ubatch, 2));
        assert!(places_of(&ours, &report(&[])).unwrap().is_empty());
        assert_eq!(places_of(&ours, &report(&[256, 64, 256, 128, 64])).unwrap(), [2, 0, 5, 1, 3]);
    }

    #[test]
    fn equal_configurations_take_runs_in_turn() {
        let ours = [64, 64, 128].map(|n_ubatch| configuration(n_ubatch, 2));
        assert_eq!(places_of(&ours, &report(&[64, 64, 128, 64, 64])).unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_was_not_asked_for_is_refused_by_name() {
        let ours = [64, 128].map(|n_ubatch| configuration(n_ubatch, 1));
        let refused = places_of(&ours, &report(&[64, 512])).unwrap_err().to_string();
        assert!(refused.contains("-ub is 64 and was 512"), "{refused}");
        let refused = places_of(&ours, &report(&[64, 64])).unwrap_err().to_string();
        assert!(refused.contains("more than 1 run of ub 64"), "{refused}");
    }
}
