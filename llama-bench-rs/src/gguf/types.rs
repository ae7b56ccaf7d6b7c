//! The tensor types of ggml: their number in a file, their name and how many bytes a block of elements takes.

use std::fmt;

/// Declares [`TensorType`] from one table of numbers, names and sizes.
macro_rules! tensor_types {
    ($($variant:ident = $id:literal, $name:literal, $block:literal elements in $bytes:literal bytes;)*) => {
        /// A tensor type as ggml numbers it in a GGUF file.
        #[doc(alias = "ggml_type")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        #[allow(non_camel_case_types)]
        pub enum TensorType {
            $(
                #[doc = concat!("`", $name, "`: ", $block, " element(s) in ", $bytes, " byte(s).")]
                $variant = $id,
            )*
        }

        impl TensorType {
            /// Every type that a file may hold; types that ggml has removed are not among them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The type with this number in a file; `None` if ggml has none, or no longer has it.
            pub fn from_id(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)* _ => None }
            }

            /// ggml's name of the type.
            #[doc(alias = "ggml_type_name")]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Elements per block; a row must be a multiple of it.
            #[doc(alias = "ggml_blck_size")]
            pub fn block_elements(self) -> u64 {
                match self { $(Self::$variant => $block,)* }
            }

            /// Bytes per block.
            #[doc(alias = "ggml_type_size")]
            pub fn block_bytes(self) -> u64 {
                match self { $(Self::$variant => $bytes,)* }
            }
        }
    };
}

tensor_types! {
    F32 = 0, "f32", 1 elements in 4 bytes;
    F16 = 1, "f16", 1 elements in 2 bytes;
    Q4_0 = 2, "q4_0", 32 elements in 18 bytes;
    Q4_1 = 3, "q4_1", 32 elements in 20 bytes;
    Q5_0 = 6, "q5_0", 32 elements in 22 bytes;
    Q5_1 = 7, "q5_1", 32 elements in 24 bytes;
    Q8_0 = 8, "q8_0", 32 elements in 34 bytes;
    Q8_1 = 9, "q8_1", 32 elements in 36 bytes;
    Q2_K = 10, "q2_K", 256 elements in 84 bytes;
    Q3_K = 11, "q3_K", 256 elements in 110 bytes;
    Q4_K = 12, "q4_K", 256 elements in 144 bytes;
    Q5_K = 13, "q5_K", 256 elements in 176 bytes;
    Q6_K = 14, "q6_K", 256 elements in 210 bytes;
    Q8_K = 15, "q8_K", 256 elements in 292 bytes;
    IQ2_XXS = 16, "iq2_xxs", 256 elements in 66 bytes;
    IQ2_XS = 17, "iq2_xs", 256 elements in 74 bytes;
    IQ3_XXS = 18, "iq3_xxs", 256 elements in 98 bytes;
    IQ1_S = 19, "iq1_s", 256 elements in 50 bytes;
    IQ4_NL = 20, "iq4_nl", 32 elements in 18 bytes;
    IQ3_S = 21, "iq3_s", 256 elements in 110 bytes;
    IQ2_S = 22, "iq2_s", 256 elements in 82 bytes;
    IQ4_XS = 23, "iq4_xs", 256 elements in 136 bytes;
    I8 = 24, "i8", 1 elements in 1 bytes;
    I16 = 25, "i16", 1 elements in 2 bytes;
    I32 = 26, "i32", 1 elements in 4 bytes;
    I64 = 27, "i64", 1 elements in 8 bytes;
    F64 = 28, "f64", 1 elements in 8 bytes;
    IQ1_M = 29, "iq1_m", 256 elements in 56 bytes;
    BF16 = 30, "bf16", 1 elements in 2 bytes;
    TQ1_0 = 34, "tq1_0", 256 elements in 54 bytes;
    TQ2_0 = 35, "tq2_0", 256 elements in 66 bytes;
    MXFP4 = 39, "mxfp4", 32 elements in 17 bytes;
    NVFP4 = 40, "nvfp4", 64 elements in 36 bytes;
    Q1_0 = 41, "q1_0", 128 elements in 18 bytes;
    Q2_0 = 42, "q2_0", 64 elements in 18 bytes;
}

impl TensorType {
    /// The number of the type in a file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// The bytes that `n_elements` in rows of `row` elements take; `None` if a row is not a multiple of the
    /// block, or if the size does not fit.
    #[doc(alias = "ggml_nbytes")]
    pub fn size_bytes(self, row: u64, n_elements: u64) -> Option<u64> {
        if !row.is_multiple_of(self.block_elements()) {
            return None;
        }
        (n_elements / self.block_elements()).checked_mul(self.block_bytes())
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number() {
        for &t in TensorType::ALL {
            assert_eq!(TensorType::from_id(t.id()), Some(t));
        }
        for removed in [4, 5, 31, 32, 33, 36, 37, 38, 43, u32::MAX] {
            assert_eq!(TensorType::from_id(removed), None);
        }
    }

    #[test]
    fn sizes_are_those_of_whole_blocks() {
        assert_eq!(TensorType::F32.size_bytes(3, 12), Some(48));
        assert_eq!(TensorType::MXFP4.size_bytes(2880, 2880 * 10), Some(2880 * 10 / 32 * 17));
        assert_eq!(TensorType::Q4_K.size_bytes(2880, 2880), None);
        assert_eq!(TensorType::F64.size_bytes(1, u64::MAX / 2), None);
    }
}
