//! File types: which tensor gets which type, as llama.cpp's quantiser decides.

use std::{fmt, str::FromStr};

use super::{GgufError, TensorType, shape::ShapeTensor};

/// What a file is called by its quantisation, such as `Q4_K_M`.
#[doc(alias = "llama_ftype")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum FileType {
    /// All 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// 16-bit brain floating point.
    Bf16,
    /// 4.5 bits per weight in blocks of 32.
    Q4_0,
    /// 8.5 bits per weight in blocks of 32.
    Q8_0,
    /// About 4.8 bits per weight, more for tensors that matter more.
    Q4KM,
    /// Experts in 4.25 bits (MXFP4), the rest in Q8_0.
    Mxfp4Moe,
}

impl FileType {
    /// Every file type that can be written.
    pub const ALL: &[Self] =
        &[Self::F32, Self::F16, Self::Bf16, Self::Q4_0, Self::Q8_0, Self::Q4KM, Self::Mxfp4Moe];

    /// The number in `general.file_type`.
    pub fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
            Self::Bf16 => 32,
            Self::Mxfp4Moe => 38,
        }
    }

    /// The type with this number; F16 for those that cannot be written, since it is a label only.
    pub(super) fn from_id(id: Option<u64>) -> Self {
        Self::ALL.iter().copied().find(|one| Some(u64::from(one.id())) == id).unwrap_or(Self::F16)
    }

    /// The name, as in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q4_0 => "q4_0",
            Self::Q8_0 => "q8_0",
            Self::Q4KM => "q4_k_m",
            Self::Mxfp4Moe => "mxfp4_moe",
        }
    }

    /// The type of weights that no rule singles out.
    fn default_type(self) -> TensorType {
        match self {
            Self::F32 => TensorType::F32,
            Self::F16 => TensorType::F16,
            Self::Bf16 => TensorType::BF16,
            Self::Q4_0 => TensorType::Q4_0,
            Self::Q8_0 => TensorType::Q8_0,
            Self::Q4KM => TensorType::Q4_K,
            Self::Mxfp4Moe => TensorType::MXFP4,
        }
    }

    fn is_quantised(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FileType {
    type Err = GgufError;

    /// Names in any case; `mxfp4` is short for `mxfp4_moe`.
    fn from_str(name: &str) -> Result<Self, GgufError> {
        let lower = name.to_ascii_lowercase();
        let lower = if lower == "mxfp4" { "mxfp4_moe" } else { &lower };
        Self::ALL.iter().copied().find(|one| one.name() == lower).ok_or_else(|| GgufError::UnknownFileType {
            name: name.to_owned(),
            known: Self::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The facts of a model that the quantiser's rules look at.
pub(super) struct Facts<'a> {
    pub(super) architecture: &'a str,
    pub(super) n_layer: u64,
    pub(super) n_expert: u64,
}

/// The type of every tensor, in their order.
#[doc(alias = "llama_model_quantize")]
pub(super) fn tensor_types(file_type: FileType, facts: &Facts, tensors: &[ShapeTensor]) -> Vec<TensorType> {
    let is_v = |t: &&ShapeTensor| t.name.ends_with("attn_v.weight") || t.name.ends_with("attn_qkv.weight");
    let n_v = tensors.iter().filter(is_v).count() as u64;
    let tied = !tensors.iter().any(|t| t.name == "output.weight");
    let mut i_v = 0;
    tensors
        .iter()
        .map(|tensor| {
            if let Some(given) = tensor.tensor_type {
                return given;
            }
            if !is_quantisable(tensor) {
                return TensorType::F32;
            }
            // The experts of this architecture were trained in MXFP4 and stay so in every file.
            let experts = tensor.dims.len() > 2;
            if facts.architecture == "gpt-oss" && experts && file_type != FileType::F32 {
                return fitting(TensorType::MXFP4, tensor);
            }
            let chosen = if file_type.is_quantised() {
                choose(file_type, facts, tensor, tied, (i_v, n_v))
            } else {
                file_type.default_type()
            };
            i_v += u64::from(is_v(&tensor));
            fitting(chosen, tensor)
        })
        .collect()
}

/// Vectors, norms, the choice of experts, the small convolutions and what is added for positions and texts stay in 32
/// bits.
fn is_quantisable(tensor: &ShapeTensor) -> bool {
    let name = &tensor.name;
    let kept = [
        "_norm.weight",
        "ffn_gate_inp.weight",
        "ssm_conv1d",
        "position_embd.weight",
        "token_types.weight",
        "attn_rel_b.weight",
    ];
    tensor.dims.len() > 1 && name.ends_with("weight") && !kept.iter().any(|part| name.contains(part))
}

fn choose(
    file_type: FileType,
    facts: &Facts,
    tensor: &ShapeTensor,
    tied: bool,
    (i_v, n_v): (u64, u64),
) -> TensorType {
    let name = tensor.name.as_str();
    let part = name.rsplit_once('.').map_or(name, |(stem, _)| stem).rsplit('.').next().unwrap_or(name);
    let default = file_type.default_type();
    if part == "output" || (tied && part == "token_embd") {
        return match file_type {
            FileType::Mxfp4Moe | FileType::Q8_0 => TensorType::Q8_0,
            _ if !tensor.dims[0].is_multiple_of(default.block_elements()) => TensorType::Q8_0,
            _ => TensorType::Q6_K,
        };
    }
    if file_type == FileType::Mxfp4Moe {
        return if tensor.dims.len() > 2 { TensorType::MXFP4 } else { TensorType::Q8_0 };
    }
    let q4_k_m = file_type == FileType::Q4KM;
    match part {
        // Eight experts share these small tensors, so the quantiser is generous.
        "attn_v" | "attn_k" if facts.n_expert == 8 => TensorType::Q8_0,
        "attn_output" if facts.n_expert == 8 && q4_k_m => TensorType::Q5_K,
        "attn_v" if q4_k_m && more_bits(i_v, n_v) => TensorType::Q6_K,
        "attn_qkv" if q4_k_m => TensorType::Q5_K,
        "ffn_down" | "ffn_down_exps" | "ffn_down_shexp"
            if q4_k_m && more_bits(layer(name).unwrap_or(0), facts.n_layer) =>
        {
            TensorType::Q6_K
        }
        _ => default,
    }
}

/// The first and the last eighth of the layers, and every third between.
fn more_bits(i: u64, n: u64) -> bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
}

/// 3 from `blk.3.ffn_down.weight`.
fn layer(name: &str) -> Option<u64> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// The type itself if its blocks divide the rows, else what the quantiser falls back to.
fn fitting(wanted: TensorType, tensor: &ShapeTensor) -> TensorType {
    let divides = |t: TensorType| tensor.dims[0].is_multiple_of(t.block_elements());
    if divides(wanted) {
        return wanted;
    }
    let smaller = match wanted {
        TensorType::Q4_K => TensorType::Q5_0,
        TensorType::Q5_K => TensorType::Q5_1,
        TensorType::Q6_K => TensorType::Q8_0,
        _ => TensorType::F16,
    };
    if divides(smaller) { smaller } else { TensorType::F16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dims: &[u64]) -> ShapeTensor {
        ShapeTensor { name: name.into(), dims: dims.into(), tensor_type: None }
    }

    fn types(file_type: FileType, tensors: &[ShapeTensor]) -> Vec<TensorType> {
        let facts = Facts { architecture: "llama", n_layer: 32, n_expert: 0 };
        tensor_types(file_type, &facts, tensors)
    }

    #[test]
    fn q4_k_m_gives_more_bits_to_a_half_of_the_layers() {
        let down: Vec<_> =
            (0..32).map(|i| tensor(&format!("blk.{i}.ffn_down.weight"), &[14336, 4096])).collect();
        let generous: Vec<usize> = types(FileType::Q4KM, &down)
            .iter()
            .enumerate()
            .filter(|(_, t)| **t == TensorType::Q6_K)
            .map(|(i, _)| i)
            .collect();
        assert_eq!(generous, [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]);
    }

    #[test]
    fn what_is_small_or_delicate_stays_in_32_bits() {
        let kept = [
            tensor("blk.0.attn_norm.weight", &[4096]),
            tensor("blk.0.ssm_norm.weight", &[512, 8]),
            tensor("blk.0.ffn_gate_inp.weight", &[4096, 8]),
            tensor("blk.0.ssm_conv1d.weight", &[4, 1024]),
            tensor("blk.0.ssm_a", &[1, 8]),
            tensor("position_embd.weight", &[4096, 512]),
            tensor("token_types.weight", &[4096, 2]),
            tensor("enc.blk.0.attn_rel_b.weight", &[8, 32]),
            tensor("blk.0.ffn_up_exps.bias", &[4096, 8]),
        ];
        for &file_type in FileType::ALL {
            assert!(types(file_type, &kept).iter().all(|&t| t == TensorType::F32), "{file_type}");
        }
    }

    #[test]
    fn rows_that_blocks_do_not_divide_fall_back() {
        let odd = [
            tensor("blk.9.attn_q.weight", &[2880, 64]),
            tensor("output.weight", &[2880, 64]),
            tensor("token_embd.weight", &[40, 64]),
        ];
        assert_eq!(types(FileType::Q4KM, &odd), [TensorType::Q5_0, TensorType::Q8_0, TensorType::F16]);
    }

    #[test]
    fn the_embedding_is_the_output_where_there_is_no_other() {
        let tied = [tensor("token_embd.weight", &[1024, 64])];
        assert_eq!(types(FileType::Q4KM, &tied), [TensorType::Q6_K]);
        assert_eq!(types(FileType::Q8_0, &tied), [TensorType::Q8_0]);
    }

    #[test]
    fn names_are_read_in_any_case() {
        for &file_type in FileType::ALL {
            assert_eq!(file_type.name().to_uppercase().parse::<FileType>().unwrap(), file_type);
        }
        assert_eq!("MXFP4".parse::<FileType>().unwrap(), FileType::Mxfp4Moe);
        assert!("q3_x".parse::<FileType>().unwrap_err().to_string().contains("q4_k_m"));
    }
}
