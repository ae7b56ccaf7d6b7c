//! How far the measuring is, on standard error.

use std::time::{Duration, Instant};

/// Says which load is being measured and how long the rest will take.
pub struct Progress {
    n_loads: u32,
    start: Instant,
    is_quiet: bool,
}

impl Progress {
    pub fn new(n_loads: u32, is_quiet: bool) -> Self {
        Self { n_loads, start: Instant::now(), is_quiet }
    }

    /// A load begins, counted from 0.
    pub fn load(&self, load: u32) {
        if !self.is_quiet {
            let left = left(self.start.elapsed(), load, self.n_loads);
            let left = left.map_or_else(String::new, |left| format!(", {left} left"));
            complain!("compare: load {} of {}{left}", load + 1, self.n_loads);
        }
    }
}

/// What the loads that are left will take, if they take as long as those before.
fn left(elapsed: Duration, n_done: u32, n_all: u32) -> Option<String> {
    let left = elapsed.checked_div(n_done)? * n_all.saturating_sub(n_done);
    let seconds = left.as_secs_f64().ceil() as u64;
    Some(if seconds < 60 { format!("{seconds} s") } else { format!("{}m{:02}", seconds / 60, seconds % 60) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loads_done_tell_the_time_left() {
        assert_eq!(left(Duration::from_secs(9), 0, 10), None);
        assert_eq!(left(Duration::from_secs(9), 1, 10).as_deref(), Some("1m21"));
        assert_eq!(left(Duration::from_millis(100), 5, 10).as_deref(), Some("1 s"));
    }
}
