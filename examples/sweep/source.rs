//! Which models the flags name.

use llama_bench_rs::{
    bench::Source,
    gguf::{FileType, Shape, Synthetic},
};

use crate::{Failed, args::Args, bad_usage};

/// The default model: small enough for two cores and a minute.
const DEFAULT_SHAPE: &str = "tiny-gpt-oss";

/// The models that were asked for, in order.
pub fn sources(args: &Args) -> Result<Vec<Source>, Failed> {
    let file_type =
        args.model.file_type.as_deref().map(str::parse::<FileType>).transpose().map_err(bad_usage)?;
    let mut sources: Vec<Source> = args.model.models.iter().map(Source::from).collect();
    let mut shapes = args.model.shapes.clone();
    if sources.is_empty() && shapes.is_empty() {
        shapes.push(DEFAULT_SHAPE.into());
    }
    for name in &shapes {
        let mut synthetic = Synthetic::new(Shape::preset(name).map_err(bad_usage)?);
        if let Some(file_type) = file_type {
            synthetic = synthetic.file_type(file_type);
        }
        sources.push(synthetic.into());
    }
    Ok(sources)
}
