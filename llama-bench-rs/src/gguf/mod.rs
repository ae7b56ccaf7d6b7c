//! Reading GGUF files with care, and writing synthetic ones: files of a model's true shape, with random weights.

mod arch;
mod cursor;
mod encoders;
mod error;
mod file_type;
mod header;
mod model_checks;
mod preset_file;
mod presets;
mod read;
mod routing;
mod shape;
mod synthetic;
#[cfg(test)]
mod synthetic_tests;
mod types;
mod value;
mod vocabulary;
mod weights;

pub(crate) use preset_file::{PresetFile, preset_file};

pub use error::{GgufError, Malformed};
pub use file_type::FileType;
pub use read::{GgufFile, TensorInfo};
pub use routing::Routing;
pub use shape::Shape;
pub use synthetic::Synthetic;
pub use types::TensorType;
pub use value::{Array, Value};
