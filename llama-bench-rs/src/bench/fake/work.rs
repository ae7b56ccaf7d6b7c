//! What it says of its graphs.

use super::{FakeTarget, failure};
use crate::record::{self, CellWork, DeviceWork, Failure, Test, work::WorkKind};

impl FakeTarget {
    pub(super) fn graph(&mut self, kind: WorkKind, n_tokens: u32) -> Result<Option<record::Work>, Failure> {
        assert!(self.content.is_empty(), "the work is looked at before anything is decoded");
        self.looked_at.push((kind, n_tokens));
        if self.broken_work {
            self.n_ctx = 0;
            return Err(failure("work"));
        }
        let (nodes, copies) = (Vec::new(), Vec::new());
        Ok(Some(record::Work {
            kind,
            n_tokens,
            n_splits: 1,
            nodes,
            copies,
            results: Vec::new(),
            strays: Vec::new(),
        }))
    }

    /// A byte of weights for each graph, and one of keys for each token of the context.
    pub(super) fn count(&mut self, test: &Test) -> Result<Result<CellWork, String>, Failure> {
        assert!(self.content.is_empty(), "work is counted before anything is decoded");
        assert!(test.n_depth + test.kind.n_tokens() <= self.n_ctx, "{test} has room in {}", self.n_ctx);
        self.counted.push(*test);
        if self.broken_work {
            self.n_ctx = 0;
            return Err(failure("work"));
        }
        let n_graphs = if test.kind.is_generation() { test.kind.n_tokens() } else { 1 };
        let device = DeviceWork {
            device: "FAKE0".into(),
            weight_bytes: n_graphs.into(),
            kv_read_bytes: test.n_depth.into(),
            ..DeviceWork::default()
        };
        Ok(Ok(CellWork { n_graphs, devices: vec![device], ..CellWork::default() }))
    }
}
