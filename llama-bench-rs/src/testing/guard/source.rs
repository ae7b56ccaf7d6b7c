//! What a guard measures.

use std::error::Error;

use crate::{record::Report, testing::QuickSweep};

/// Something that a [`Guard`](super::Guard) can judge: a [`quick_sweep`](crate::testing::quick_sweep), a closure that
/// measures, or a report that is there already.
///
/// A guard that can measure again does so before it fails a test. A closure makes fresh contexts each time it is called,
/// as [`Sweep::run`](crate::bench::Sweep::run) does.
pub trait Measure {
    /// Measures, from the second call on once more.
    ///
    /// # Errors
    /// Whatever keeps it from measuring.
    fn measure(&mut self) -> Result<Report, Box<dyn Error + Send + Sync>>;

    /// Whether another call measures again.
    fn can_repeat(&self) -> bool {
        true
    }
}

impl Measure for QuickSweep<'_> {
    fn measure(&mut self) -> Result<Report, Box<dyn Error + Send + Sync>> {
        Ok(self.clone().run()?)
    }
}

impl<F, E> Measure for F
where
    F: FnMut() -> Result<Report, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn measure(&mut self) -> Result<Report, Box<dyn Error + Send + Sync>> {
        self().map_err(Into::into)
    }
}

impl Measure for Report {
    fn measure(&mut self) -> Result<Report, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }

    fn can_repeat(&self) -> bool {
        false
    }
}

impl Measure for &Report {
    fn measure(&mut self) -> Result<Report, Box<dyn Error + Send + Sync>> {
        Ok(Report::clone(self))
    }

    fn can_repeat(&self) -> bool {
        false
    }
}
