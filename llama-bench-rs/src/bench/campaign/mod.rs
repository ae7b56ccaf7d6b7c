//! Many configurations, measured as one: one plan, one progress, one report.

mod configuration;

pub use configuration::Configuration;
