//! The graphs that a context computes, counted.

use std::ptr;

use super::{
    Context, Copies, LlamaError, Nodes, Work, WorkKind, context::last_exception, device::text, log, sys,
};

/// A graph to look at.
enum Graph<'a> {
    /// That of decoding so many tokens; all of them may have an output.
    Decode { n_tokens: u32, all_outputs: bool },
    /// That of encoding these tokens.
    Encode(&'a [i32]),
}

impl Context {
    /// The graph that it computes for this kind of test, `n_tokens` at once if that many fit. In a context of several
    /// sequences all of them take part: a generation has one token of each, a prompt as many of each. llama.cpp builds the
    /// graph and chooses a device for each node, as it does for a decode; nothing is computed, unless the model has both an encoder
    /// and a decoder: what its encoder does shows only when it encodes a text. Sequences are left as they are. The next
    /// decode rebuilds its graph.
    ///
    /// # Errors
    /// An earlier call left the context unusable, or llama.cpp could not build the graph; then the context cannot be used
    /// any more.
    #[doc(alias = "llama_graph_reserve")]
    #[doc(alias = "ggml_backend_sched_get_n_splits")]
    pub fn work(&mut self, kind: WorkKind, n_tokens: u32) -> Result<Work, LlamaError> {
        self.check_intact("llama_graph_reserve")?;
        let n_seqs = self.params().n_seq_max;
        let n_most = self.n_ctx().min(self.n_ubatch());
        let n_tokens = match kind {
            WorkKind::Generation => n_seqs,
            // llama.cpp would round up, past the most that it computes at once.
            WorkKind::Prompt | WorkKind::Embedding => (n_tokens.clamp(1, n_most) / n_seqs).max(1) * n_seqs,
        };
        let embeddings = self.outputs.embeddings;
        if kind == WorkKind::Embedding {
            self.set_embeddings(true);
        }
        let start = self.model().decoder_start().filter(|_| kind != WorkKind::Generation);
        let parts = match start {
            Some(start) => self.parts(&Graph::Encode(&vec![start; n_tokens.min(n_most) as usize])),
            None => {
                let all_outputs = self.outputs.embeddings;
                self.parts(&Graph::Decode { n_tokens, all_outputs })
            }
        };
        self.set_embeddings(embeddings);
        let (parts, n_splits) = parts?;
        let mut work = of_parts(kind, n_tokens, n_splits, &parts);
        let has_devices = self.model().offloaded_layers().is_some_and(|(n, _)| n > 0);
        if start.is_none() && has_devices {
            work.strays = self.strays(n_tokens, kind == WorkKind::Embedding || embeddings)?;
        }
        Ok(work)
    }

    fn parts(&mut self, graph: &Graph<'_>) -> Result<(Vec<sys::llama_sys_work_part>, u32), LlamaError> {
        let mut cap = 256;
        loop {
            // SAFETY: plain old data, for which zeros are valid.
            let mut parts: Vec<sys::llama_sys_work_part> = vec![unsafe { std::mem::zeroed() }; cap];
            let mut n_splits = 0;
            let n = self.write_parts(graph, &mut parts, &mut n_splits)?;
            if n <= cap {
                parts.truncate(n);
                return Ok((parts, n_splits));
            }
            cap = n;
        }
    }

    /// Writes as many parts as fit and returns how many there are.
    fn write_parts(
        &mut self,
        graph: &Graph<'_>,
        parts: &mut [sys::llama_sys_work_part],
        n_splits: &mut u32,
    ) -> Result<usize, LlamaError> {
        let ctx = self.as_raw();
        let (out, cap, n_splits) = (parts.as_mut_ptr(), parts.len() as i32, ptr::from_mut(n_splits));
        let (n, log) = match *graph {
            // SAFETY: a live context that no exception broke, and room for `cap` parts and the number of splits.
            Graph::Decode { n_tokens, all_outputs } => log::capture_quietly(|| unsafe {
                sys::llama_sys_work_of_decode(ctx, n_tokens, all_outputs, out, cap, n_splits)
            }),
            Graph::Encode(tokens) => {
                self.outputs.forget();
                let batch = self.batch_of(tokens, true);
                let _caller = self.lend_caller()?;
                // SAFETY: as above; the batch borrows `tokens`, which are in the vocabulary and no more than n_ubatch.
                log::capture_quietly(|| unsafe {
                    sys::llama_sys_work_of_encode(ctx, batch, out, cap, n_splits)
                })
            }
        };
        usize::try_from(n).map_err(|_| match last_exception() {
            Some(_) => self.broken_by("llama_graph_reserve"),
            None => LlamaError::Unsupported { what: "looking at a graph".into(), why: log.complaints() },
        })
    }
}

fn of_parts(kind: WorkKind, n_tokens: u32, n_splits: u32, parts: &[sys::llama_sys_work_part]) -> Work {
    let mut work = Work {
        kind,
        n_tokens,
        n_splits,
        nodes: Vec::new(),
        copies: Vec::new(),
        results: Vec::new(),
        strays: Vec::new(),
    };
    for part in parts {
        // SAFETY: the shim NUL-terminates all four.
        let [op, data_type, device, source] = unsafe {
            [part.op.as_ptr(), part.type_.as_ptr(), part.device.as_ptr(), part.source.as_ptr()]
                .map(|it| text(it))
        };
        if op.is_empty() {
            let tensors = Copies { from: source, to: device, n: part.n, bytes: Some(part.bytes) };
            if data_type.is_empty() { work.copies.push(tensors) } else { work.results.push(tensors) }
        } else {
            let weights = Some(source).filter(|source| !source.is_empty());
            work.nodes.push(Nodes { op, data_type, device, weights, n: part.n });
        }
    }
    work.nodes.sort();
    work.copies.sort();
    work
}
