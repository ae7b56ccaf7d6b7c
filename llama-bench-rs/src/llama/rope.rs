//! Rotary positions: their frequencies, and how they are stretched beyond what a model was trained for.

use super::{
    LlamaError, Model,
    model_params::{names, setters},
    sys,
};

/// How rotary positions are scaled (`llama_rope_scaling_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All frequencies alike.
    Linear,
    /// High frequencies less than low ones.
    Yarn,
    /// By the factors in the model's file.
    LongRope,
}

names!(RopeScaling, "kind of rotary scaling" { None = "none", Linear = "linear", Yarn = "yarn", LongRope = "longrope" });

/// Rotary positions that replace the model's own; a field that is `None` keeps the value of its file.
///
/// ```
/// use llama_bench_rs::llama::{ContextParams, Rope, RopeScaling};
///
/// // Four times the context that the model was trained for.
/// let rope = Rope::default().scaling(Some(RopeScaling::Yarn)).freq_scale(Some(0.25));
/// let params = ContextParams::default().rope(rope);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Rope {
    /// How positions are scaled.
    pub scaling: Option<RopeScaling>,
    /// Base of the frequencies, above 1, up to 1e12.
    pub freq_base: Option<f32>,
    /// Factor of the positions, 0.0001 to 1000: 0.25 stretches the trained context to four times its length.
    pub freq_scale: Option<f32>,
    /// YaRN: share of extrapolation, 0 (interpolate all) to 1.
    pub yarn_ext_factor: Option<f32>,
    /// YaRN: factor of the scores' magnitude, above 0, up to 100.
    pub yarn_attn_factor: Option<f32>,
    /// YaRN: rotations in the trained context above which a dimension is extrapolated, above 0, up to 10000.
    pub yarn_beta_fast: Option<f32>,
    /// YaRN: rotations in the trained context below which a dimension is interpolated, above 0, up to 10000.
    pub yarn_beta_slow: Option<f32>,
    /// YaRN: context of the training, in tokens.
    pub yarn_orig_ctx: Option<u32>,
}

setters!(Rope {
    /// How positions are scaled.
    scaling: Option<RopeScaling>,
    /// Base of the frequencies, above 1, up to 1e12.
    freq_base: Option<f32>,
    /// Factor of the positions, 0.0001 to 1000: 0.25 stretches the trained context to four times its length.
    freq_scale: Option<f32>,
    /// YaRN: share of extrapolation, 0 (interpolate all) to 1.
    yarn_ext_factor: Option<f32>,
    /// YaRN: factor of the scores' magnitude, above 0, up to 100.
    yarn_attn_factor: Option<f32>,
    /// YaRN: rotations in the trained context above which a dimension is extrapolated, above 0, up to 10000.
    yarn_beta_fast: Option<f32>,
    /// YaRN: rotations in the trained context below which a dimension is interpolated, above 0, up to 10000.
    yarn_beta_slow: Option<f32>,
    /// YaRN: context of the training, in tokens.
    yarn_orig_ctx: Option<u32>,
});

impl Rope {
    /// Refuses values that positions would not be numbers with.
    pub(super) fn check(&self) -> Result<(), LlamaError> {
        type Range = (f32, f32, &'static str);
        const POSITIVE: Range = (f32::MIN_POSITIVE, 1e4, "give more than 0, up to 10000");
        let values: [(&str, Option<f32>, Range); 6] = [
            ("rope_freq_base", self.freq_base, (1.0001, 1e12, "give more than 1, up to 1e12")),
            ("rope_freq_scale", self.freq_scale, (1e-4, 1e3, "give 0.0001 to 1000")),
            ("yarn_ext_factor", self.yarn_ext_factor, (0.0, 1.0, "give 0 to 1")),
            (
                "yarn_attn_factor",
                self.yarn_attn_factor,
                (f32::MIN_POSITIVE, 100.0, "give more than 0, up to 100"),
            ),
            ("yarn_beta_fast", self.yarn_beta_fast, POSITIVE),
            ("yarn_beta_slow", self.yarn_beta_slow, POSITIVE),
        ];
        for (name, value, (least, most, remedy)) in values {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                return Err(LlamaError::Parameter { name, value: value.to_string(), remedy: remedy.into() });
            }
        }
        if let Some(n) = self.yarn_orig_ctx.filter(|n| *n == 0 || *n > i32::MAX as u32) {
            let remedy = "give at least 1 token, and fewer than 2^31".into();
            return Err(LlamaError::Parameter { name: "yarn_orig_ctx", value: n.to_string(), remedy });
        }
        Ok(())
    }

    pub(super) fn apply(&self, raw: &mut sys::llama_context_params, model: &Model) {
        raw.rope_scaling_type = match self.scaling {
            None => sys::LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED,
            Some(RopeScaling::None) => sys::LLAMA_ROPE_SCALING_TYPE_NONE,
            Some(RopeScaling::Linear) => sys::LLAMA_ROPE_SCALING_TYPE_LINEAR,
            Some(RopeScaling::Yarn) => sys::LLAMA_ROPE_SCALING_TYPE_YARN,
            Some(RopeScaling::LongRope) => sys::LLAMA_ROPE_SCALING_TYPE_LONGROPE,
        };
        raw.rope_freq_base = self.freq_base.unwrap_or(raw.rope_freq_base);
        raw.rope_freq_scale = self.freq_scale.unwrap_or(raw.rope_freq_scale);
        raw.yarn_ext_factor = self.yarn_ext_factor.unwrap_or(raw.yarn_ext_factor);
        raw.yarn_attn_factor = self.yarn_attn_factor.unwrap_or(raw.yarn_attn_factor);
        raw.yarn_beta_fast = self.yarn_beta_fast.unwrap_or(raw.yarn_beta_fast);
        raw.yarn_beta_slow = self.yarn_beta_slow.unwrap_or(raw.yarn_beta_slow);
        raw.yarn_orig_ctx = self.yarn_orig_ctx.unwrap_or(raw.yarn_orig_ctx);

        // A scale other than the file's, under the name of YaRN, makes llama.cpp write another trained context into the
        // model, which other threads read. The extrapolation alone makes it YaRN.
        let told = |key: &str| model.metadata(&format!("{}.rope.scaling.{key}", model.architecture()));
        let is_yarn = match self.scaling {
            Some(scaling) => scaling == RopeScaling::Yarn,
            None => told("type") == Some("yarn"),
        };
        if is_yarn && (self.freq_scale.is_some() || self.scaling.is_some()) {
            let of_file = || told("yarn_ext_factor")?.parse().ok().filter(|factor: &f32| *factor >= 0.0);
            raw.rope_scaling_type = sys::LLAMA_ROPE_SCALING_TYPE_LINEAR;
            raw.yarn_ext_factor = self.yarn_ext_factor.or_else(of_file).unwrap_or(1.0);
        }
    }
}
