//! Placeholder until merged.
/// Placeholder.
#[derive(Debug, thiserror::Error)]
#[error("range")]
pub struct RangeError;
