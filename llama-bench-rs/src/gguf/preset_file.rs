//! Back from the file of a synthetic model to what it was made from.

use super::{FileType, Shape, Synthetic};

/// A synthetic model as a command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PresetFile {
    /// The name of the shape.
    pub(crate) shape: &'static str,
    /// The type of its file, if that is not the shape's own.
    pub(crate) file_type: Option<String>,
}

/// What the file in the cache folder was made from: a shape of this crate, with the seed, the vocabulary and the routing
/// that a model has if nothing else is asked for. `None` for every other file.
pub(crate) fn preset_file(path: &str) -> Option<PresetFile> {
    let name = path.rsplit(['/', '\\']).next()?;
    Shape::preset_names().iter().find_map(|shape| {
        let (file_type, _) = name.strip_prefix(shape)?.strip_prefix('-')?.split_once("-seed")?;
        let usual = Synthetic::new(Shape::preset(shape).ok()?);
        if usual.file_name() == name {
            return Some(PresetFile { shape, file_type: None });
        }
        let typed = usual.file_type(file_type.parse::<FileType>().ok()?);
        (typed.file_name() == name).then(|| PresetFile { shape, file_type: Some(file_type.to_owned()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_every_shape_leads_back_to_it() {
        for shape in Shape::preset_names() {
            let synthetic = Synthetic::new(Shape::preset(shape).unwrap());
            let path = format!("/home/somebody/.cache/llama-bench-rs/{}", synthetic.file_name());
            assert_eq!(preset_file(&path), Some(PresetFile { shape, file_type: None }), "{path}");
        }
        let typed = Synthetic::new(Shape::preset("tiny-llama").unwrap()).file_type(FileType::Q8_0);
        let found = preset_file(&typed.file_name());
        assert_eq!(found, Some(PresetFile { shape: "tiny-llama", file_type: Some("q8_0".into()) }));
    }

    #[test]
    fn any_other_file_is_a_file() {
        let seeded = Synthetic::new(Shape::preset("tiny-llama").unwrap()).seed(7).file_name();
        for path in ["model.gguf", "", "/m/tiny-llama.gguf", "tiny-llama-q8_0-seed42-v0.gguf", &seeded] {
            assert_eq!(preset_file(path), None, "{path}");
        }
    }
}
