//! From hyperparameters to metadata and tensors, per architecture.

use super::{Array, FileType, Shape, Value, shape::ShapeTensor};

/// Hyperparameters of a model. Sizes count elements, as in the model's own configuration.
#[derive(Clone, Debug)]
pub(super) struct Hyper {
    pub(super) architecture: &'static str,
    pub(super) n_layer: u64,
    pub(super) n_embd: u64,
    pub(super) n_ff: u64,
    pub(super) n_vocab: u64,
    pub(super) n_ctx: u64,
    pub(super) rms_epsilon: f32,
    pub(super) attention: Attention,
    pub(super) rope: Rope,
    pub(super) experts: Option<Experts>,
    pub(super) state_space: Option<StateSpace>,
    /// With a state space: the layers that have attention in its place.
    pub(super) attention_layers: &'static [u64],
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attention {
    pub(super) heads: u64,
    pub(super) heads_kv: u64,
    pub(super) head_dim: u64,
    /// Tokens that layers with a sliding window see; 0 for none.
    pub(super) window: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rope {
    pub(super) base: f32,
    /// There is a tensor of factors.
    pub(super) factors: bool,
    /// Factor and context before it was stretched.
    pub(super) yarn: Option<(f32, u32)>,
}

impl Default for Rope {
    fn default() -> Self {
        Self { base: 10_000.0, factors: false, yarn: None }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Experts {
    pub(super) n: u64,
    pub(super) used: u64,
    pub(super) ff: u64,
    pub(super) shared_ff: u64,
}

/// The state of mamba2's layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateSpace {
    pub(super) inner: u64,
    pub(super) state: u64,
    pub(super) heads: u64,
    pub(super) groups: u64,
}

/// Tokens that the convolution before the state space sees.
const CONVOLUTION: u64 = 4;

pub(super) fn shape(name: &str, file_type: FileType, hyper: &Hyper) -> Shape {
    Shape {
        name: name.into(),
        architecture: hyper.architecture.into(),
        metadata: metadata(hyper),
        tensors: tensors(hyper),
        file_type,
        n_layer: hyper.n_layer,
        n_expert: hyper.experts.map_or(0, |experts| experts.n),
        n_vocab: hyper.n_vocab,
        like: None,
        unreadable: None,
    }
}

fn metadata(hyper: &Hyper) -> Vec<(String, Value)> {
    let mut pairs = Vec::new();
    let mut set = |key: &str, value: Value| pairs.push((format!("{}.{key}", hyper.architecture), value));
    let int = |n: u64| Value::U32(n as u32);
    set("block_count", int(hyper.n_layer));
    set("context_length", int(hyper.n_ctx));
    set("embedding_length", int(hyper.n_embd));
    set("feed_forward_length", int(hyper.n_ff));
    set("attention.layer_norm_rms_epsilon", Value::F32(hyper.rms_epsilon));

    let Attention { heads, heads_kv, head_dim, window } = hyper.attention;
    set("attention.head_count", int(heads));
    if heads > 0 {
        if hyper.state_space.is_some() {
            // A layer with no heads for keys and values is a recurrent one.
            let per_layer = |i| if has_attention(hyper, i) { heads_kv as i32 } else { 0 };
            let counts = (0..hyper.n_layer).map(per_layer).collect();
            set("attention.head_count_kv", Value::Array(Array::I32(counts)));
        } else {
            set("attention.head_count_kv", int(heads_kv));
        }
        set("attention.key_length", int(head_dim));
        set("attention.value_length", int(head_dim));
        set("rope.dimension_count", int(head_dim));
        set("rope.freq_base", Value::F32(hyper.rope.base));
    }
    if window > 0 {
        set("attention.sliding_window", int(window));
    }
    if let Some((factor, original)) = hyper.rope.yarn {
        set("rope.scaling.type", "yarn".into());
        set("rope.scaling.factor", Value::F32(factor));
        set("rope.scaling.original_context_length", Value::U32(original));
    }
    if let Some(Experts { n, used, ff, shared_ff }) = hyper.experts {
        set("expert_count", int(n));
        set("expert_used_count", int(used));
        set("expert_feed_forward_length", int(ff));
        if shared_ff > 0 {
            set("expert_shared_feed_forward_length", int(shared_ff));
        }
    }
    if let Some(StateSpace { inner, state, heads, groups }) = hyper.state_space {
        set("ssm.conv_kernel", int(CONVOLUTION));
        set("ssm.inner_size", int(inner));
        set("ssm.state_size", int(state));
        set("ssm.time_step_rank", int(heads));
        set("ssm.group_count", int(groups));
    }
    pairs
}

fn has_attention(hyper: &Hyper, layer: u64) -> bool {
    hyper.state_space.is_none() || hyper.attention_layers.contains(&layer)
}

/// Collects the tensors of a model.
struct Tensors<'a> {
    hyper: &'a Hyper,
    list: Vec<ShapeTensor>,
}

impl Tensors<'_> {
    fn add(&mut self, name: impl Into<String>, dims: &[u64]) {
        self.list.push(ShapeTensor { name: name.into(), dims: dims.to_vec(), tensor_type: None });
    }

    fn layer(&mut self, i: u64, name: &str, dims: &[u64]) {
        self.add(format!("blk.{i}.{name}"), dims);
    }

    fn attention(&mut self, i: u64) {
        let n_embd = self.hyper.n_embd;
        let Attention { heads, heads_kv, head_dim, .. } = self.hyper.attention;
        let biased = self.hyper.architecture == "gpt-oss";
        for (name, n) in [("attn_q", heads), ("attn_k", heads_kv), ("attn_v", heads_kv)] {
            self.layer(i, &format!("{name}.weight"), &[n_embd, n * head_dim]);
            if biased {
                self.layer(i, &format!("{name}.bias"), &[n * head_dim]);
            }
        }
        self.layer(i, "attn_output.weight", &[heads * head_dim, n_embd]);
        if biased {
            self.layer(i, "attn_output.bias", &[n_embd]);
            self.layer(i, "attn_sinks.weight", &[heads]);
        }
        if matches!(self.hyper.architecture, "qwen3moe" | "gemma3") {
            self.layer(i, "attn_q_norm.weight", &[head_dim]);
            self.layer(i, "attn_k_norm.weight", &[head_dim]);
        }
    }

    fn state_space(&mut self, i: u64, ssm: StateSpace) {
        let StateSpace { inner, state, heads, groups } = ssm;
        let n_embd = self.hyper.n_embd;
        let convolved = inner + 2 * groups * state;
        self.layer(i, "ssm_in.weight", &[n_embd, inner + convolved + heads]);
        self.layer(i, "ssm_conv1d.weight", &[CONVOLUTION, convolved]);
        self.layer(i, "ssm_conv1d.bias", &[convolved]);
        self.layer(i, "ssm_dt.bias", &[heads]);
        self.layer(i, "ssm_a", &[1, heads]);
        self.layer(i, "ssm_d", &[1, heads]);
        self.layer(i, "ssm_norm.weight", &[inner / groups, groups]);
        self.layer(i, "ssm_out.weight", &[inner, n_embd]);
    }

    fn feed_forward(&mut self, i: u64) {
        let (n_embd, n_ff) = (self.hyper.n_embd, self.hyper.n_ff);
        let Some(Experts { n, ff, shared_ff, .. }) = self.hyper.experts else {
            return self.gated(i, "", &[n_embd, n_ff], &[n_ff, n_embd]);
        };
        self.layer(i, "ffn_gate_inp.weight", &[n_embd, n]);
        self.gated(i, "_exps", &[n_embd, ff, n], &[ff, n_embd, n]);
        if shared_ff > 0 {
            self.gated(i, "_shexp", &[n_embd, shared_ff], &[shared_ff, n_embd]);
        }
        if self.hyper.architecture == "gpt-oss" {
            self.layer(i, "ffn_gate_inp.bias", &[n]);
            self.layer(i, "ffn_gate_exps.bias", &[ff, n]);
            self.layer(i, "ffn_up_exps.bias", &[ff, n]);
            self.layer(i, "ffn_down_exps.bias", &[n_embd, n]);
        }
    }

    fn gated(&mut self, i: u64, kind: &str, up: &[u64], down: &[u64]) {
        self.layer(i, &format!("ffn_gate{kind}.weight"), up);
        self.layer(i, &format!("ffn_up{kind}.weight"), up);
        self.layer(i, &format!("ffn_down{kind}.weight"), down);
    }
}

fn tensors(hyper: &Hyper) -> Vec<ShapeTensor> {
    let n_embd = hyper.n_embd;
    let mut t = Tensors { hyper, list: Vec::new() };
    t.add("token_embd.weight", &[n_embd, hyper.n_vocab]);
    t.add("output_norm.weight", &[n_embd]);
    // The others use the embedding for the output too.
    if matches!(hyper.architecture, "llama" | "gpt-oss" | "qwen3moe") {
        t.add("output.weight", &[n_embd, hyper.n_vocab]);
    }
    if hyper.rope.factors {
        t.add("rope_freqs.weight", &[hyper.attention.head_dim / 2]);
    }
    for i in 0..hyper.n_layer {
        t.layer(i, "attn_norm.weight", &[n_embd]);
        match hyper.state_space {
            Some(ssm) if !has_attention(hyper, i) => t.state_space(i, ssm),
            _ => t.attention(i),
        }
        match hyper.architecture {
            "mamba2" => continue,
            "gpt-oss" => t.layer(i, "post_attention_norm.weight", &[n_embd]),
            "gemma3" => {
                t.layer(i, "post_attention_norm.weight", &[n_embd]);
                t.layer(i, "ffn_norm.weight", &[n_embd]);
                t.layer(i, "post_ffw_norm.weight", &[n_embd]);
            }
            _ => t.layer(i, "ffn_norm.weight", &[n_embd]),
        }
        t.feed_forward(i);
    }
    t.list
}
