//! Reading GGUF files with care, and writing weightless ones: files of a model's true shape, with random weights.

mod cursor;
mod error;
mod header;
mod read;
mod types;
mod value;

pub use error::{GgufError, Malformed};
pub use read::{GgufFile, TensorInfo};
pub use types::TensorType;
pub use value::{Array, Value};
