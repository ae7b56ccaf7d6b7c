//! Which experts the tokens of a synthetic model go to.
//!
//! Random rows are an uneven router: biases, and whatever else all tokens have in common, give the hidden states a common
//! direction, and the experts whose rows happen to point that way win for nearly every token. So a part of the hidden
//! state is reserved for the router: only the token embedding writes there, all else adds zeros. What the router reads is
//! then another random vector for each token, with mean zero, in every layer; and rows of equal length, with random signs,
//! are equally often among the largest of their products.

use rand_xoshiro::rand_core::Rng;

use super::{TensorInfo, skew, weights};

/// How often the experts of a synthetic mixture-of-experts model are chosen. Without effect on other models.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Routing {
    /// About equally often over random tokens, as in a trained model that was balanced.
    #[default]
    Balanced,
    /// The busiest expert is chosen about this many times as often as the mean. An expert can be chosen for half of all tokens at
    /// most: more than that counts as that much.
    Skewed(f64),
    /// As random weights have it: a few experts get most of the tokens.
    Random,
}

impl Routing {
    /// Its name in that of a file, such as `balanced` or `skewed-3`.
    pub(super) fn name(self) -> String {
        match self {
            Routing::Balanced => "balanced".into(),
            // The 2 is of these bytes: the same request gave others.
            Routing::Skewed(ratio) => format!("skewed2-{ratio}"),
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
    /// How steeply the lengths of the experts' rows fall, from the first to the last, as a power of e.
    fall: f64,
}

impl Router {
    /// `None` without experts, and for random routing.
    pub(super) fn new(routing: Routing, tensors: &[TensorInfo], n_used: Option<u64>) -> Option<Self> {
        let router = tensors.iter().find(|tensor| is_router(&tensor.name))?;
        let n_embd = *router.dims.first()?;
        let n_expert = router.dims.get(1).copied().unwrap_or(1);
        let fall = match routing {
            Routing::Balanced => 0.0,
            Routing::Skewed(ratio) => skew::fall(n_expert, n_used.unwrap_or(1), ratio),
            Routing::Random => return None,
        };
        Some(Self { n_embd, n_reserved: (n_embd / 4).clamp(1, MAX_RESERVED), fall })
    }

    /// The bytes of a router, which is small; `None` for any other tensor, and for one of a type without single numbers.
    pub(super) fn rows(&self, tensor: &TensorInfo, rng: &mut impl Rng) -> Option<Vec<u8>> {
        if !is_router(&tensor.name) {
            return None;
        }
        let n_expert = *tensor.dims.get(1)?;
        let scale = 1.0 / (self.n_reserved as f32).sqrt();
        let lengths = (0..n_expert).map(|expert| skew::length(self.fall, expert as f64 / n_expert as f64));
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
}

fn is_router(name: &str) -> bool {
    name.ends_with("ffn_gate_inp.weight")
}
