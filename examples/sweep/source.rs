//! Where the models come from, and the loading of each.

use std::path::{Path, PathBuf};

use llama_bench_rs::{
    Error,
    bench::Cancel,
    gguf::{FileType, Shape, Synthetic},
    llama::{Backend, Model, ModelParams},
    record::Failure,
};

use crate::{Failed, args::Args, bad_usage, progress::Progress};

/// What is measured when nothing was asked for: small enough for two cores and a minute.
const DEFAULT_SHAPE: &str = "tiny-gpt-oss";

/// Where a model comes from.
pub enum Source {
    File(PathBuf),
    Synthetic(Synthetic<'static>),
}

/// The models that were asked for, in order.
pub fn sources(args: &Args) -> Result<Vec<Source>, Failed> {
    let file_type =
        args.model.file_type.as_deref().map(str::parse::<FileType>).transpose().map_err(bad_usage)?;
    let mut sources: Vec<Source> = args.model.models.iter().cloned().map(Source::File).collect();
    let mut shapes = args.model.shapes.clone();
    if sources.is_empty() && shapes.is_empty() {
        shapes.push(DEFAULT_SHAPE.into());
    }
    for name in &shapes {
        let mut synthetic = Synthetic::new(Shape::preset(name).map_err(bad_usage)?);
        if let Some(file_type) = file_type {
            synthetic = synthetic.file_type(file_type);
        }
        sources.push(Source::Synthetic(synthetic));
    }
    Ok(sources)
}

impl Source {
    /// Where the file is, or will be once it was made.
    pub fn path(&self) -> Result<PathBuf, Failed> {
        match self {
            Source::File(path) => Ok(path.clone()),
            Source::Synthetic(synthetic) => Ok(synthetic.cache_path().map_err(Error::from)?),
        }
    }

    /// What is wrong with a file, as far as that can be told without loading it.
    pub fn defect(&self) -> Option<String> {
        match self {
            Source::File(path) => Model::check_file(path).err().map(|error| error.to_string()),
            Source::Synthetic(_) => None,
        }
    }

    /// Writes the file of a synthetic model, unless it is there.
    pub fn make(&self, progress: &Progress, cancel: &Cancel) -> Result<(), Failure> {
        let Source::Synthetic(synthetic) = self else { return Ok(()) };
        go_on(cancel)?;
        let show = |done, total| progress.bytes("making the synthetic model", done, total);
        let synthetic = synthetic.clone().progress(show).stop_when(|| cancel.is_cancelled());
        synthetic.cached().map(drop).map_err(|error| Error::from(error).into())
    }
}

/// Loads a model, unless the sweep is interrupted before or meanwhile.
pub fn load(
    backend: &Backend,
    path: &Path,
    params: &ModelParams,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Model, Failure> {
    go_on(cancel)?;
    progress.say(format!("loading {}", path.display()));
    let mut watch = |_| !cancel.is_cancelled();
    let model = Model::load_with_progress(backend, path, params, &mut watch)?;
    go_on(cancel)?;
    Ok(model)
}

fn go_on(cancel: &Cancel) -> Result<(), Failure> {
    if cancel.is_cancelled() {
        let message = "interrupted before the model was loaded".into();
        return Err(Failure { kind: "cancelled".into(), message });
    }
    Ok(())
}
