//! Configurations in processes of their own, and all that can happen to those.
//!
//! A program of its own (`harness = false`): its `main` is the children's too. `ISOLATION_MANY=1000` makes as many faults.
#![allow(missing_docs)]

#[cfg(target_os = "linux")]
#[path = "isolation_support/tests.rs"]
mod tests;

fn main() {
    #[cfg(target_os = "linux")]
    tests::main();
}
