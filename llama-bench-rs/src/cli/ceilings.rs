//! The flags for the most that the devices do.

use crate::bench::CeilingPolicy;

/// Whether the most that the devices do is measured ([`CeilingPolicy`]).
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct CeilingArgs {
    /// How near the machine's limit each test comes
    ///
    /// Measures the most that the devices do, and tells which share of it each test reaches. Takes some ten seconds for each device before the first run; later runs of the same build take the ceilings from the
    /// user's cache folder.
    #[arg(long, help_heading = "Statistics")]
    pub ceilings: bool,
    /// --ceilings, measured again although they are known
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub renew_ceilings: bool,
}

impl CeilingArgs {
    /// Whether ceilings are asked for.
    pub fn are_asked(self) -> bool {
        self.policy() != CeilingPolicy::Off
    }

    /// Whether ceilings are measured.
    pub fn policy(self) -> CeilingPolicy {
        match (self.ceilings, self.renew_ceilings) {
            (_, true) => CeilingPolicy::Renewed,
            (true, false) => CeilingPolicy::Cached,
            (false, false) => CeilingPolicy::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewing_asks_for_ceilings_too() {
        let of = |ceilings, renew_ceilings| CeilingArgs { ceilings, renew_ceilings };
        assert_eq!((of(false, false).are_asked(), of(false, false).policy()), (false, CeilingPolicy::Off));
        assert_eq!((of(true, false).are_asked(), of(true, false).policy()), (true, CeilingPolicy::Cached));
        for both in [of(false, true), of(true, true)] {
            assert_eq!((both.are_asked(), both.policy()), (true, CeilingPolicy::Renewed));
        }
    }
}
