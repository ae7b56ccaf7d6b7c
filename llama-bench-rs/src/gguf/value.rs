//! Metadata values of a GGUF file.

use crate::units::text::cited;

/// Declares [`Value`] and [`Array`] from one table of the format's scalar types.
macro_rules! values {
    ($($variant:ident($type:ty) = $id:literal, $name:literal;)*) => {
        /// A metadata value.
        #[doc(alias = "gguf_type")]
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum Value {
            $(
                #[doc = concat!("A value of type `", $name, "`.")]
                $variant($type),
            )*
            /// An array; its elements are of one type.
            Array(Array),
        }

        /// A metadata array.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum Array {
            $(
                #[doc = concat!("Elements of type `", $name, "`.")]
                $variant(Vec<$type>),
            )*
        }

        impl Array {
            /// The number of elements.
            #[doc(alias = "gguf_get_arr_n")]
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(v) => v.len(),)* }
            }

            /// Drops all elements past the first `n`.
            pub(super) fn truncate(&mut self, n: usize) {
                match self { $(Self::$variant(v) => v.truncate(n),)* }
            }

            /// The number of the element type in a file.
            pub(super) fn type_id(&self) -> u32 {
                match self { $(Self::$variant(_) => $id,)* }
            }
        }

        impl Value {
            /// The number of the type in a file.
            pub(super) fn type_id(&self) -> u32 {
                match self { $(Self::$variant(_) => $id,)* Self::Array(_) => ARRAY_ID }
            }
        }

        $(
            impl From<$type> for Value {
                fn from(value: $type) -> Self {
                    Self::$variant(value)
                }
            }

            impl From<Vec<$type>> for Value {
                fn from(value: Vec<$type>) -> Self {
                    Self::Array(Array::$variant(value))
                }
            }
        )*
    };
}

/// The number that says "array" in a file.
pub(super) const ARRAY_ID: u32 = 9;

values! {
    U8(u8) = 0, "uint8";
    I8(i8) = 1, "int8";
    U16(u16) = 2, "uint16";
    I16(i16) = 3, "int16";
    U32(u32) = 4, "uint32";
    I32(i32) = 5, "int32";
    F32(f32) = 6, "float32";
    Bool(bool) = 7, "bool";
    String(String) = 8, "string";
    U64(u64) = 10, "uint64";
    I64(i64) = 11, "int64";
    F64(f64) = 12, "float64";
}

impl Array {
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Value {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The value of an unsigned integer of any width, or of a signed one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::U64(v) => Some(v),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    /// The value of a floating-point number of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(v) => Some(v.into()),
            Self::F64(v) => Some(v),
            _ => None,
        }
    }

    /// The value for a message: short, whatever a file holds.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::String(text) => cited(text),
            Self::Array(array) => format!("an array of {} elements", array.len()),
            number => format!("{number:?}"),
        }
    }

    /// The array, if this is one.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<Vec<&str>> for Value {
    fn from(value: Vec<&str>) -> Self {
        Self::Array(Array::String(value.into_iter().map(str::to_owned).collect()))
    }
}
