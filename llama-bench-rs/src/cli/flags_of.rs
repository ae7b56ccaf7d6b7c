//! From parameters back to the flags that ask for them.

use crate::{
    bench::of_params,
    llama::{ContextParams, ModelParams},
    record::parameters::differing,
};

/// The words of a command line that lead from the defaults to these parameters, in llama-bench's short names where there
/// are any: `-ub` and `1024`. Empty if all are the defaults.
///
/// ```
/// use llama_bench_rs::{cli::flags_of, llama::{ContextParams, ModelParams}};
///
/// let context = ContextParams::default().n_ubatch(1024).swa_full(true);
/// assert_eq!(flags_of(&ModelParams::default(), &context), ["-ub", "1024", "--swa-full"]);
/// ```
pub fn flags_of(model: &ModelParams, context: &ContextParams) -> Vec<String> {
    let asked = of_params(model, context);
    let default = of_params(&ModelParams::default(), &ContextParams::default());
    differing(&[&asked, &default]).into_iter().flat_map(|parameter| parameter.flags(&asked)).collect()
}
