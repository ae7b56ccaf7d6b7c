//! Which experts the tokens of a synthetic model go to.
//!
//! Random rows are an uneven router: biases, and whatever else all tokens have in common, give the hidden states a common
//! direction, and the experts whose rows happen to point that way win for nearly every token. So a part of the hidden
//! state is reserved for the router: only the token embedding writes there, all else adds zeros. What the router reads is
//! then another random vector for each token, with mean zero, in every layer; and rows of equal length, with random signs,
//! are equally often among the largest of their products.

use rand_xoshiro::rand_core::Rng;

use super::{TensorInfo, weights};

/// How often the experts of a synthetic mixture-of-experts model are chosen. Without effect on other models.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Routing {
    /// About equally often over random tokens, as in a trained model that was balanced.
    #[default]
    Balanced,
    /// The busiest expert is chosen about this many times as often as the mean. An expert can be chosen for half of all tokens at
    /// most: more than that is taken for that much.
    Skewed(f64),
    /// As random weights have it: a few experts get most of the tokens.
    Random,
}

impl Routing {
    /// Its name in that of a file, such as `balanced` or `skewed-3`.
    pub(super) fn name(self) -> String {
        match self {
            Routing::Balanced => "balanced".into(),
            Routing::Skewed(ratio) => format!("skewed-{ratio}"),
            Routing::Random => "random".into(),
        }
    }
}

/// Rows at most that are reserved for the router; of a small model a quarter.
const MAX_RESERVED: u64 = 256;

/// Weights that share an offset in the quantised types.
const GROUP: usize = 32;

/// How the tensors of a model are made for a routing that is not left to chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Router {
    n_embd: u64,
    n_reserved: u64,
    n_used: u64,
    skew: Option<f64>,
}

impl Router {
    /// `None` without experts, and for random routing.
    pub(super) fn new(routing: Routing, tensors: &[TensorInfo], n_used: Option<u64>) -> Option<Self> {
        let router = tensors.iter().find(|tensor| is_router(&tensor.name))?;
        let n_embd = *router.dims.first()?;
        let skew = match routing {
            Routing::Balanced => None,
            Routing::Skewed(ratio) => Some(ratio),
            Routing::Random => return None,
        };
        Some(Self {
            n_embd,
            n_reserved: (n_embd / 4).clamp(1, MAX_RESERVED),
            n_used: n_used.unwrap_or(1),
            skew,
        })
    }

    /// The bytes of a router, which is small; `None` for any other tensor, and for one of a type without single numbers.
    pub(super) fn rows(&self, tensor: &TensorInfo, rng: &mut impl Rng) -> Option<Vec<u8>> {
        if !is_router(&tensor.name) {
            return None;
        }
        let n_expert = *tensor.dims.get(1)?;
        let scale = 1.0 / (self.n_reserved as f32).sqrt();
        let lengths = self.lengths(n_expert, rng);
        let mut numbers = vec![0.0; (self.n_embd * n_expert) as usize];
        for (row, length) in numbers.chunks_exact_mut(self.n_embd as usize).zip(lengths) {
            for group in row[..self.n_reserved as usize].chunks_mut(GROUP) {
                // As many of one sign as of the other: what a group of the embedding has in common cancels.
                let half = group.len() / 2;
                group.fill(scale * length as f32);
                group[..half].iter_mut().for_each(|x| *x = -*x);
                for i in (1..group.len()).rev() {
                    group.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
                }
            }
        }
        weights::encode(tensor.tensor_type, &numbers)
    }

    /// Of a tensor that writes into the hidden state: how many bytes are zero at the beginning of how many.
    pub(super) fn zeros(&self, tensor: &TensorInfo) -> Option<(u64, u64)> {
        let TensorInfo { name, dims, tensor_type, .. } = tensor;
        if name.ends_with(".bias") && (name.contains("ffn_gate_inp") || name.contains("exp_probs")) {
            return Some((tensor.size_bytes, tensor.size_bytes));
        }
        let writes = ["attn_output", "attn_out", "ssm_out", "ffn_down"];
        let part = name.rsplit('.').nth(1)?;
        if !writes.iter().any(|written| part.starts_with(written)) || part.contains("norm") {
            return None;
        }
        let row_bytes = match name.ends_with(".bias") {
            true if dims.first() == Some(&self.n_embd) => tensor_type.size_bytes(1, 1)?,
            false if dims.get(1) == Some(&self.n_embd) => tensor_type.size_bytes(dims[0], dims[0])?,
            _ => return None,
        };
        Some((self.n_reserved * row_bytes, self.n_embd * row_bytes))
    }

    /// The lengths of the experts' rows: equal, or falling evenly to make the first as busy as wanted.
    fn lengths(&self, n_expert: u64, rng: &mut impl Rng) -> Vec<f64> {
        const N_TRIALS: usize = 1000;
        const N_STEPS: usize = 12;
        let falling = |fall: f64| -> Vec<f64> {
            (0..n_expert).map(|expert| (-fall * expert as f64 / n_expert as f64).exp()).collect()
        };
        let Some(wanted) = self.skew else { return falling(0.0) };
        // Sums of many random numbers are normal; twelve even ones are near enough.
        let mut normal =
            || (0..12).map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0;
        let draws: Vec<f64> = (0..N_TRIALS as u64 * n_expert).map(|_| normal()).collect();
        let busiest = |lengths: &[f64]| {
            let n_first = draws.chunks_exact(lengths.len()).filter(|draw| {
                let score = |i: usize| draw[i] * lengths[i];
                (1..lengths.len()).filter(|&i| score(i) > score(0)).count() < self.n_used as usize
            });
            n_first.count() as f64 / N_TRIALS as f64 * n_expert as f64 / self.n_used as f64
        };
        // The steeper they fall, the busier is the first: halve the interval.
        let (mut low, mut high) = (0.0, 64.0);
        for _ in 0..N_STEPS {
            let middle = f64::midpoint(low, high);
            if busiest(&falling(middle)) < wanted { low = middle } else { high = middle }
        }
        falling(low)
    }
}

fn is_router(name: &str) -> bool {
    name.ends_with("ffn_gate_inp.weight")
}
