//! Which runs were made together: runs within a short time of each other are more alike than runs of different days.

use jiff::Timestamp;

use super::Run;

/// Runs further apart than this belong to different sittings.
const GAP_S: i64 = 3600;

/// The sitting of each run, over both sides; `None` for a run that does not say when it was made.
pub(crate) fn sittings(runs: &[&Run]) -> Vec<Option<usize>> {
    let times: Vec<Option<(i64, i64)>> = runs.iter().map(|run| times(run)).collect();
    let mut sorted: Vec<(i64, i64)> = times.iter().copied().flatten().collect();
    sorted.sort_unstable();
    let (mut last, mut starts) = (i64::MIN, Vec::new());
    for (began, ended) in sorted {
        if began.saturating_sub(last) > GAP_S {
            starts.push(began);
        }
        last = last.max(ended);
    }
    let of = |(began, _): (i64, i64)| starts.iter().filter(|&&start| start <= began).count() - 1;
    times.into_iter().map(|times| times.map(of)).collect()
}

/// How many sittings these runs were made in; `None` without runs, or if one does not say when it was made.
pub fn n_sittings(runs: &[&Run]) -> Option<usize> {
    // They are numbered without gaps.
    let all: Vec<usize> = sittings(runs).into_iter().collect::<Option<_>>()?;
    all.into_iter().max().map(|last| last + 1)
}

/// When the run began (or its first cell, if a file says only that) and when it ended, in seconds since 1970.
fn times(run: &Run) -> Option<(i64, i64)> {
    let texts = std::iter::once(&run.header.timing.started_at).chain(run.cells.iter().map(|c| &c.started_at));
    let began = texts.filter_map(|text| text.parse::<Timestamp>().ok()).map(Timestamp::as_second).next()?;
    let wall = run.header.timing.wall.unwrap_or_default().as_secs();
    Some((began, began.saturating_add(i64::try_from(wall).unwrap_or(i64::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Header;

    fn run(started_at: &str) -> Run {
        let mut header = Header::default();
        header.timing.started_at = started_at.into();
        Run { header, cells: vec![], curve: vec![] }
    }

    #[test]
    fn an_hour_without_a_run_ends_a_sitting() {
        let runs = [
            run("2026-11-25T10:00:00Z"),
            run("2026-11-24T09:00:00Z"),
            run("2026-11-25T10:59:00Z"),
            run("2026-11-25T12:00:00Z"),
            run("2026-11-24T09:00:05Z"),
        ];
        let runs: Vec<&Run> = runs.iter().collect();
        assert_eq!(sittings(&runs), [Some(1), Some(0), Some(1), Some(2), Some(0)]);
        assert_eq!(n_sittings(&runs), Some(3));
        let mut long = runs[0].clone();
        long.header.timing.wall = Some(std::time::Duration::from_secs(3700));
        assert_eq!(sittings(&[&long, runs[3]]), [Some(0), Some(0)], "counted from its end");
        let unknown = run("");
        assert_eq!(sittings(&[runs[0], &unknown]), [Some(0), None]);
        assert_eq!(n_sittings(&[runs[0], &unknown]), None);
        assert_eq!(n_sittings(&runs[..1]), Some(1));
        assert_eq!(n_sittings(&[]), None);
    }

    #[test]
    fn a_run_within_an_hour_of_the_one_before_is_of_its_sitting() {
        let count = |starts: &[&str]| {
            let runs: Vec<Run> = starts.iter().map(|start| run(start)).collect();
            n_sittings(&runs.iter().collect::<Vec<_>>())
        };
        assert_eq!(count(&["2025-11-03T10:00:00Z", "2025-11-03T10:59:00Z", "2025-11-03T11:58:00Z"]), Some(1));
        assert_eq!(count(&["2025-11-03T12:00:00Z", "2025-11-03T10:00:00Z"]), Some(2));
        assert_eq!(count(&["2025-11-03T10:00:00Z", ""]), None, "unknown");
    }
}
