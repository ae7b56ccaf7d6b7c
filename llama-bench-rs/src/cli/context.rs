//! Flags that choose how contexts are made and computed: each combination is a configuration of its own.

use std::str::FromStr;

use super::{
    CpuMask, Integers, Numbers,
    combinations::Combinations,
    given::Given,
    values::{batch_sizes, polls, priorities, switch, threads},
};
use crate::{
    llama::{ContextParams, FlashAttn, KvType, LlamaError},
    record::parameters::parameters,
};

macro_rules! context {
    (llama_bench { $($llama_bench:tt)* } own { $($own:tt)* }) => { context! { $($llama_bench)* $($own)* } };
    ($(
        $(#[$($doc:tt)*])*
        $field:ident: $type:ty
            [$($row:tt)*] $known:tt $other:tt $from:tt
            [$(context { $(#[$($meta:tt)*])* $arg:ident: $arg_type:ty => $set:expr })? $(model { $($of_model:tt)* })?];
    )*) => {
        /// How contexts are made. Each flag takes a list and may be repeated.
        ///
        /// ```
        /// # #[derive(clap::Parser)] struct Args { #[command(flatten)] context: llama_bench_rs::cli::ContextArgs }
        /// let args: Args = llama_bench_rs::cli::try_parse_from(["app", "-ub", "256,512", "-fa", "1"])?;
        /// let n_ubatch: Vec<u32> = args.context.params().iter().map(|params| params.n_ubatch).collect();
        /// assert_eq!(n_ubatch, [256, 512]);
        /// # Ok::<(), clap::Error>(())
        /// ```
        #[derive(Clone, Debug, clap::Args)]
        pub struct ContextArgs {
            $( $( $(#[$($meta)*])* pub $arg: $arg_type, )? )*
        }

        impl ContextArgs {
            /// Every combination of the values, in llama-bench's order.
            pub fn params(&self) -> Vec<ContextParams> {
                let mut combinations = Combinations::new();
                $( $( combinations.vary(stringify!($field), self.$arg.given(), $set); )? )*
                combinations.of(ContextParams::default())
            }
        }
    };
}
parameters!(context);

/// llama.cpp computes at most a batch at once; llama-bench accepts more.
fn at_most_a_batch(params: ContextParams, n_ubatch: u32) -> ContextParams {
    let n_batch = params.n_batch;
    params.n_ubatch(n_ubatch.min(n_batch))
}

impl ContextArgs {
    /// The one way to make the context, for a program that takes no lists.
    ///
    /// # Errors
    /// A flag that has several values.
    pub fn one(&self) -> Result<ContextParams, LlamaError> {
        let mut all = self.params();
        match (all.pop(), all.len()) {
            (Some(params), 0) => Ok(params),
            (_, n) => Err(LlamaError::Parameter {
                name: "the context's flags",
                value: format!("{} combinations", n + 1),
                remedy: "give each flag one value".into(),
            }),
        }
    }
}
