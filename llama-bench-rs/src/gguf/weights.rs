//! Random weights, as the bytes of their blocks: finite, never zero all over, of the standard deviation wanted.

use half::{bf16, f16};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

use super::TensorType;

/// Numbers that a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// Around zero with this standard deviation.
    Around0(f32),
    /// Evenly between two bounds.
    Between(f32, f32),
}

/// What suits a tensor of this name: products keep the size of their input, norms scale by about 1, and the
/// recurrences of state-space layers decay.
pub(super) fn fill(name: &str, dims: &[u64]) -> Fill {
    let ends = |end: &str| name.ends_with(end);
    if name.contains("norm") && ends(".weight") || ends("rope_freqs.weight") {
        Fill::Between(0.8, 1.2)
    } else if ends("ssm_a") {
        Fill::Between(-8.0, -0.5)
    } else if ends("ssm_d") {
        Fill::Between(0.5, 1.5)
    } else if ends("ssm_dt.bias") {
        // softplus makes steps of about 0.01 to 0.3 of it.
        Fill::Between(-4.5, -1.0)
    } else if ends(".bias") || ends("attn_sinks.weight") {
        Fill::Around0(0.1)
    } else {
        let fan_in = dims.first().copied().unwrap_or(1).max(1);
        Fill::Around0(1.0 / (fan_in as f32).sqrt())
    }
}

/// A generator for one tensor of a seed; neither the order nor the number of tensors matters.
pub(super) fn rng(seed: u64, name: &str) -> Xoshiro256PlusPlus {
    // FNV-1a over the name; seed_from_u64 then mixes all bits.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Xoshiro256PlusPlus::seed_from_u64(seed ^ hash)
}

/// Where the scales of a block lie and what they are for weights of standard deviation 1: (byte, factor), each an F16.
/// The other bits of a block may be anything. The factors follow from the format's own formula, for random bits.
fn scales(t: TensorType) -> Option<&'static [(usize, f32)]> {
    Some(match t {
        TensorType::Q4_0 => &[(0, 1.0 / 4.64)],
        TensorType::Q4_1 => &[(0, 1.0 / 4.61), (2, -7.5 / 4.61)],
        TensorType::Q5_0 => &[(0, 1.0 / 9.25)],
        TensorType::Q5_1 => &[(0, 1.0 / 9.23), (2, -15.5 / 9.23)],
        TensorType::Q8_0 => &[(0, 1.0 / 73.9)],
        TensorType::Q2_K => &[(80, 1.0 / 14.3), (82, 1.5 / 14.3)],
        TensorType::Q3_K => &[(108, 1.0 / 42.3)],
        TensorType::Q4_K => &[(0, 1.0 / 258.0), (2, 7.5 / 258.0)],
        TensorType::Q5_K => &[(0, 1.0 / 527.0), (2, 15.5 / 527.0)],
        TensorType::Q6_K => &[(208, 1.0 / 1365.6)],
        TensorType::IQ4_NL => &[(0, 1.0 / 67.2)],
        TensorType::IQ4_XS => &[(0, 1.0 / 1237.0)],
        TensorType::IQ2_XXS => &[(0, 1.0 / 53.4)],
        TensorType::IQ2_XS => &[(0, 1.0 / 55.9)],
        TensorType::IQ2_S => &[(0, 1.0 / 56.4)],
        TensorType::IQ3_XXS => &[(0, 1.0 / 142.5)],
        TensorType::IQ3_S => &[(0, 1.0 / 140.1)],
        TensorType::IQ1_S => &[(0, 1.0 / 7.21)],
        TensorType::TQ1_0 => &[(52, 1.0 / 0.817)],
        TensorType::TQ2_0 => &[(64, 1.0 / 0.707)],
        TensorType::Q1_0 => &[(0, 1.0)],
        TensorType::Q2_0 => &[(0, 1.0 / 0.707)],
        _ => return None,
    })
}

/// Whether [`blocks`] can make this type.
pub(super) fn can_make(t: TensorType) -> bool {
    use TensorType as T;
    matches!(t, T::F32 | T::F16 | T::BF16 | T::MXFP4 | T::NVFP4 | T::IQ1_M) || scales(t).is_some()
}

/// These numbers as a type that holds them one by one; `None` for one that packs them in blocks.
pub(super) fn encode(t: TensorType, numbers: &[f32]) -> Option<Vec<u8>> {
    let numbers = numbers.iter();
    Some(match t {
        TensorType::F32 => numbers.flat_map(|x| x.to_le_bytes()).collect(),
        TensorType::F16 => numbers.flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        TensorType::BF16 => numbers.flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        _ => return None,
    })
}

/// `n_blocks` random blocks of a type; `None` if this type's blocks cannot be made.
pub(super) fn blocks(t: TensorType, fill: Fill, n_blocks: usize, rng: &mut impl Rng) -> Option<Vec<u8>> {
    let bytes = t.block_bytes() as usize;
    match t {
        TensorType::F32 => return Some(numbers(fill, n_blocks, rng, |x, out| out.extend(x.to_le_bytes()))),
        TensorType::F16 => {
            return Some(numbers(fill, n_blocks, rng, |x, out| out.extend(f16::from_f32(x).to_le_bytes())));
        }
        TensorType::BF16 => {
            return Some(numbers(fill, n_blocks, rng, |x, out| out.extend(bf16::from_f32(x).to_le_bytes())));
        }
        _ => {}
    }
    // Blocks are symmetric, so the middle of a range cannot be kept: only its width.
    let deviation = match fill {
        Fill::Around0(deviation) => deviation,
        Fill::Between(low, high) => (high - low) / 12f32.sqrt(),
    };
    let mut out = vec![0; n_blocks * bytes];
    rng.fill_bytes(&mut out);
    match t {
        TensorType::MXFP4 => {
            // The first byte is a power of two with bias 128; the root mean square of the sixteen values is 5.85.
            let exponent = (128.0 + (deviation / RMS_FP4).log2().round()).clamp(1.0, 254.0) as u8;
            out.chunks_exact_mut(bytes).for_each(|block| block[0] = exponent);
            return Some(out);
        }
        TensorType::NVFP4 => {
            let scale = ue4m3(deviation / RMS_FP4);
            out.chunks_exact_mut(bytes).for_each(|block| block[..4].fill(scale));
            return Some(out);
        }
        TensorType::IQ1_M => {
            // Sixteen bits of scale in the upper four of each of the last four 16-bit numbers.
            let scale = f16::from_f32(deviation / 7.2).to_bits();
            for block in out.chunks_exact_mut(bytes) {
                for (i, number) in block[48..].chunks_exact_mut(2).enumerate() {
                    number[1] = number[1] & 0x0f | ((scale >> (4 * i)) as u8 & 0x0f) << 4;
                }
            }
            return Some(out);
        }
        // Two bits hold -1, 0, 1 and 2: without 2 they are even around zero.
        TensorType::TQ2_0 | TensorType::Q2_0 => {
            out.iter_mut().for_each(|byte| *byte &= !(*byte & *byte << 1 & 0xaa));
        }
        _ => {}
    }
    for &(at, factor) in scales(t)? {
        let scale = f16::from_f32(deviation * factor).to_le_bytes();
        out.chunks_exact_mut(bytes).for_each(|block| block[at..at + 2].copy_from_slice(&scale));
    }
    Some(out)
}

/// The root mean square of the sixteen values of four bits.
const RMS_FP4: f32 = 5.85;

/// The nearest scale of NVFP4: four bits of exponent, three of mantissa, no sign; ggml halves it, as it doubles the values.
fn ue4m3(scale: f32) -> u8 {
    let value = |code: u8| {
        let (exponent, mantissa) = (i32::from(code >> 3), f32::from(code & 7));
        let value =
            if exponent == 0 { mantissa / 512.0 } else { (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7) };
        value / 2.0
    };
    let off = |code: &u8| (value(*code) / scale).ln().abs();
    // 0 is not a valid scale, and 127 is not a number.
    (1..127).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(1)
}

fn numbers(fill: Fill, n: usize, rng: &mut impl Rng, push: impl Fn(f32, &mut Vec<u8>)) -> Vec<u8> {
    let (low, high) = match fill {
        // A uniform distribution of the same standard deviation: what matters is the size.
        Fill::Around0(deviation) => (-deviation * 3f32.sqrt(), deviation * 3f32.sqrt()),
        Fill::Between(low, high) => (low, high),
    };
    let mut out = Vec::with_capacity(n * 4);
    for _ in 0..n {
        let unit = (rng.next_u64() >> 40) as f32 / (1u64 << 24) as f32;
        push(low + unit * (high - low), &mut out);
    }
    out
}
