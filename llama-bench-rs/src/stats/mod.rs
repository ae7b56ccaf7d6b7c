//! Statistics over raw samples: pure functions, no clocks, no I/O.
