//! Runs that were recorded together.

use std::time::Duration;

use crate::record::Run;

/// A run that begins longer than this after the one before begins a new sitting.
const GAP: Duration = Duration::from_secs(3600);

/// How many sittings runs were recorded in; `None` if one does not say when it began, or there are none.
pub(super) fn count<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<usize> {
    let began = |run: &Run| run.header.timing.started_at.parse::<jiff::Timestamp>().ok();
    let mut starts: Vec<jiff::Timestamp> = runs.into_iter().map(began).collect::<Option<_>>()?;
    starts.sort_unstable();
    let is_new = |pair: &&[jiff::Timestamp]| pair[0].duration_until(pair[1]).unsigned_abs() > GAP;
    (!starts.is_empty()).then(|| 1 + starts.windows(2).filter(is_new).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Header;

    fn runs(starts: &[&str]) -> Vec<Run> {
        let run = |start: &&str| {
            let mut header = Header::default();
            header.timing.started_at = (*start).to_owned();
            Run { header, cells: vec![], curve: vec![] }
        };
        starts.iter().map(run).collect()
    }

    #[test]
    fn an_hour_of_nothing_parts_two_sittings() {
        let count = |starts: &[&str]| count(&runs(starts));
        assert_eq!(count(&["2025-11-03T10:00:00Z", "2025-11-03T10:59:00Z", "2025-11-03T11:58:00Z"]), Some(1));
        assert_eq!(count(&["2025-11-03T12:00:00Z", "2025-11-03T10:00:00Z"]), Some(2));
        assert_eq!(count(&["2025-11-03T10:00:00Z", ""]), None, "unknown");
        assert_eq!(count(&[]), None);
    }
}
