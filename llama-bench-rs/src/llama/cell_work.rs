//! The work of a test, counted from the graphs of a context that holds nothing.

use std::ffi::c_char;

use super::{Context, LlamaError, context::last_exception, device::text, log, sys};

/// A test, of so many tokens of each of so many sequences that hold so many tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellTest {
    pub(crate) n_tokens: u32,
    pub(crate) n_depth: u32,
    /// Tokens of `n_depth` that all sequences share if they share a KV buffer.
    pub(crate) n_shared: u32,
    pub(crate) n_seqs: u32,
    /// Tokens of all sequences in one decode of a prompt.
    pub(crate) n_at_once: u32,
    pub(crate) is_generation: bool,
    pub(crate) is_embedding: bool,
}

/// What its graphs do together.
#[derive(Clone, Debug)]
pub(crate) struct CellCounts {
    pub(crate) n_graphs: u32,
    /// Sorted by what they are, then by device, operation and type.
    pub(crate) parts: Vec<CellPart>,
}

#[derive(Clone, Debug)]
pub(crate) struct CellPart {
    pub(crate) what: CellCount,
    pub(crate) device: String,
    pub(crate) op: String,
    pub(crate) data_type: String,
    /// Nodes or tensors.
    pub(crate) n: u64,
    /// Bytes, or floating-point operations.
    pub(crate) amount: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellCount {
    Weights,
    KvRead,
    KvWrite,
    State,
    Activation,
    Copied,
    Product,
    Uncounted,
}

impl Context {
    /// Counts the work of a test, in a context that holds nothing and has room for it. llama.cpp builds the graphs as it does
    /// for a decode and places the tokens; nothing is computed, and no keys or values are written, so a model without
    /// weights will do. The context still holds nothing afterwards, and the next decode rebuilds its graph.
    ///
    /// # Errors
    /// `Unsupported` if it cannot be counted, with the reason; the context is as good as before. Otherwise an earlier call left
    /// the context unusable, or llama.cpp could not build a graph; then it cannot be used any more.
    pub(crate) fn cell_work(&mut self, test: CellTest) -> Result<CellCounts, LlamaError> {
        let intact = self.check_intact("llama_graph_reserve");
        if self.is_broken() {
            intact?;
        }
        let embeddings = self.outputs.embeddings;
        if test.is_embedding {
            self.set_embeddings(true);
        }
        let counts = self.counts(test);
        self.set_embeddings(embeddings);
        counts
    }

    fn counts(&mut self, test: CellTest) -> Result<CellCounts, LlamaError> {
        let mut cap = 64;
        loop {
            // SAFETY: plain old data, for which zeros are valid: the first kind of part is 0.
            let mut parts: Vec<sys::llama_sys_cell_part> = vec![unsafe { std::mem::zeroed() }; cap];
            let mut n_graphs = 0;
            let n = self.write_counts(test, &mut parts, &mut n_graphs)?;
            if n <= cap {
                parts.truncate(n);
                return Ok(CellCounts { n_graphs, parts: parts.iter().map(of_part).collect() });
            }
            cap = n;
        }
    }

    /// Writes as many parts as fit and returns how many there are.
    fn write_counts(
        &mut self,
        test: CellTest,
        parts: &mut [sys::llama_sys_cell_part],
        n_graphs: &mut u32,
    ) -> Result<usize, LlamaError> {
        let CellTest { n_tokens, n_depth, n_shared, n_seqs, n_at_once, is_generation, .. } = test;
        let test = sys::llama_sys_cell_test { n_tokens, n_depth, n_shared, n_seqs, n_at_once, is_generation };
        let mut why: [c_char; 256] = [0; 256];
        let ctx = self.as_raw();
        // SAFETY: a live context that no exception broke, and room for as many parts and letters as are told.
        let (n, _) = log::capture_quietly(|| unsafe {
            sys::llama_sys_cell_work(
                ctx,
                test,
                parts.as_mut_ptr(),
                parts.len() as i32,
                n_graphs,
                why.as_mut_ptr(),
                why.len(),
            )
        });
        usize::try_from(n).map_err(|_| {
            if last_exception().is_some() {
                return self.broken_by("llama_graph_reserve");
            }
            // SAFETY: the shim NUL-terminates it.
            let why = unsafe { text(why.as_ptr()) };
            LlamaError::Unsupported { what: "counting the work of a test".into(), why }
        })
    }
}

fn of_part(part: &sys::llama_sys_cell_part) -> CellPart {
    let what = match part.what {
        sys::LLAMA_SYS_CELL_WEIGHTS => CellCount::Weights,
        sys::LLAMA_SYS_CELL_KV_READ => CellCount::KvRead,
        sys::LLAMA_SYS_CELL_KV_WRITE => CellCount::KvWrite,
        sys::LLAMA_SYS_CELL_STATE => CellCount::State,
        sys::LLAMA_SYS_CELL_ACTIVATION => CellCount::Activation,
        sys::LLAMA_SYS_CELL_COPIED => CellCount::Copied,
        sys::LLAMA_SYS_CELL_PRODUCT => CellCount::Product,
        _ => CellCount::Uncounted,
    };
    // SAFETY: the shim NUL-terminates all three.
    let [device, op, data_type] =
        unsafe { [part.device.as_ptr(), part.op.as_ptr(), part.type_.as_ptr()].map(|it| text(it)) };
    CellPart { what, device, op, data_type, n: part.n, amount: part.amount }
}
