//! What was chosen, in words for people.

use std::fmt;

use super::{Method, Order, Rewind};

impl fmt::Display for Rewind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rewind::Clear => "memory cleared",
            Rewind::Remove => "positions removed",
            Rewind::PartialOnDevice => "partial snapshot on the device",
            Rewind::PartialOnHost => "partial snapshot in host memory",
            Rewind::FullOnHost => "whole state in host memory",
            Rewind::Refill => "filled again",
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Method::FreshContext => "fresh context",
            Method::Rewind => "rewind",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Order::Auto => "interleaved if that is cheap, otherwise per depth",
            Order::Rounds => "interleaved over all depths",
            Order::Blocks => "per depth",
            Order::Interleaved => "per depth, interleaved with other configurations",
        })
    }
}
