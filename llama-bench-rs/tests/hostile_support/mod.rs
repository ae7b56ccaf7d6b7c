//! Random hostile use of the library, each case from a seed, in child processes that may die of it.
#![allow(dead_code)] // each test uses its own part

pub mod calls;
pub mod children;
pub mod damage;
pub mod dice;
pub mod exercise;
pub mod layout;
