//! The bytes of a synthetic tensor, at any place of it.

use super::{
    TensorInfo,
    routing::Router,
    weights::{self, Fill},
};

/// Random blocks are drawn up to about this many bytes per tensor and then repeated: drawing all of them would take longer
/// than reading them, and speed does not depend on what weights say, except through the choice of experts: see
/// [`Routing`](super::Routing).
const POOL_BYTES: u64 = 1 << 20;

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// What a tensor holds, without holding all of it.
pub(super) struct Content {
    /// Repeated from the start of the tensor.
    pool: Vec<u8>,
    /// In each period of this many bytes, the first `n_zero` are zeros instead: zeros in every type.
    period: u64,
    n_zero: u64,
}

impl Content {
    /// `None` for a type that no random weights can be made for.
    pub(super) fn new(seed: u64, tensor: &TensorInfo, router: Option<&Router>) -> Option<Self> {
        let TensorInfo { name, dims, tensor_type, size_bytes, .. } = tensor;
        let block = tensor_type.block_bytes();
        // Odd: it must not start again at the same place of every row.
        let n_pool = ((POOL_BYTES / block) | 1).min(size_bytes / block);
        let mut rng = weights::rng(seed, name);
        let fill: Fill = weights::fill(name, dims);
        let pool = match router.and_then(|router| router.rows(tensor, &mut rng)) {
            Some(rows) => rows,
            None => weights::blocks(*tensor_type, fill, n_pool as usize, &mut rng)?,
        };
        let (n_zero, period) = router.and_then(|router| router.zeros(tensor)).unwrap_or((0, *size_bytes));
        Some(Self { pool, period, n_zero })
    }

    /// Bytes from `at` on, at least one and at most `n`; `at` lies in the tensor.
    pub(super) fn some(&self, at: u64, n: u64) -> &[u8] {
        let in_period = at % self.period;
        let (bytes, until) = if in_period < self.n_zero {
            (&ZEROS[..], self.n_zero)
        } else {
            (&self.pool[(at % self.pool.len() as u64) as usize..], self.period)
        };
        let n = n.min(until - in_period).min(bytes.len() as u64);
        &bytes[..n as usize]
    }
}
