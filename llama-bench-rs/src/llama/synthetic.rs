//! Loading synthetic models.

use super::{LlamaError, Model, ModelParams, Progress, checks, model::Made, origin::Origin};
use crate::{Error, gguf::Synthetic};

impl Model {
    /// Loads a synthetic model without making a file of it: its bytes are generated while llama.cpp reads them. The weights are
    /// equal to the bit to those of the file.
    ///
    /// There is nothing to map: load mode `auto` is `none` here, and lazy mode `auto` is `off`. The model is made as a file
    /// ([`Synthetic::cached`]) if [`keep`](Synthetic::keep) asks for it, and if it cannot be loaded otherwise
    /// ([`ModelParams::needs_file`]); [`is_streamed`](Self::is_streamed) says which it was.
    ///
    /// ```
    /// use llama_bench_rs::{Model, gguf::{Shape, Synthetic}, llama::ModelParams};
    ///
    /// let model = Model::load_synthetic(&Synthetic::new(Shape::preset("tiny-llama")?), &ModelParams::default())?;
    /// assert_eq!(model.n_layer(), 4);
    /// # Ok::<(), llama_bench_rs::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shape is impossible; as [`load_with`](Self::load_with); if a file is made, as [`Synthetic::cached`].
    #[doc(alias = "llama_model_load_from_file_ptr")]
    pub fn load_synthetic(synthetic: &Synthetic<'_>, params: &ModelParams) -> Result<Self, Error> {
        Self::load_synthetic_with_progress(synthetic, params, &mut |_| true)
    }

    /// [`load_synthetic`](Self::load_synthetic), reporting to `progress` how far loading is. `false` stops the load. A
    /// file that has to be made reports to its own [progress](Synthetic::progress).
    ///
    /// # Errors
    /// As `load_synthetic`; [`LlamaError::Cancelled`] if `progress` stopped it. A panic of `progress` stops the load and goes
    /// on after it.
    pub fn load_synthetic_with_progress(
        synthetic: &Synthetic<'_>,
        params: &ModelParams,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let in_file = params.needs_file().filter(|_| !synthetic.is_kept());
        let origin = if synthetic.is_kept() || in_file.is_some() {
            Origin::File(synthetic.cached()?)
        } else {
            Origin::Stream(synthetic.stream()?)
        };
        let made = Made { like: synthetic.shape().like_path().map(Into::into), in_file };
        Ok(Self::load_made(origin, Some(made), params, progress)?)
    }

    /// Finds what is wrong with a synthetic model without making or loading it: its shape may be that of a damaged file.
    ///
    /// # Errors
    /// What [`load_synthetic`](Self::load_synthetic) would say of it.
    pub fn check_synthetic(synthetic: &Synthetic<'_>) -> Result<(), Error> {
        let stream = Origin::Stream(synthetic.stream()?);
        checks::model_file(&stream, &[]).map(drop).map_err(|error: LlamaError| error.into())
    }
}
