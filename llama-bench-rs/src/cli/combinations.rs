//! Every combination of the values of several flags, in llama-bench's order.

/// Parameters in the order of llama-bench's loops, the outermost first: the last changes from one combination to the
/// next. Those that are not here follow, in the table's order.
const LOOPS: [&str; 26] = [
    "fit_target",
    "n_gpu_layers",
    "n_cpu_moe",
    "split_mode",
    "load_mode",
    "lazy_mode",
    "main_gpu",
    "devices",
    "tensor_split",
    "tensor_buft_overrides",
    "no_host",
    "repack",
    "swa_full",
    "embeddings",
    "no_op_offload",
    "n_batch",
    "n_ubatch",
    "type_k",
    "type_v",
    "no_kv_offload",
    "flash_attn",
    "n_threads",
    "cpu_mask",
    "cpu_strict",
    "poll",
    "prio",
];

type Step<'a, P> = Box<dyn FnOnce(Vec<P>) -> Vec<P> + 'a>;

/// Flags with the values that each has.
pub(super) struct Combinations<'a, P>(Vec<(&'static str, Step<'a, P>)>);

impl<'a, P: Clone + 'a> Combinations<'a, P> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter, by its field of the configuration; without a value it stays as it is.
    pub(super) fn vary<V: Clone + 'a>(
        &mut self,
        field: &'static str,
        values: Vec<V>,
        set: impl Fn(P, V) -> P + 'a,
    ) {
        let step = move |items: Vec<P>| {
            if values.is_empty() {
                return items;
            }
            let with_each = |item: &P| {
                let item = item.clone();
                values.iter().map(|value| set(item.clone(), value.clone())).collect::<Vec<_>>()
            };
            items.iter().flat_map(with_each).collect()
        };
        self.0.push((field, Box::new(step)));
    }

    /// The combinations, each made from `first`.
    pub(super) fn of(mut self, first: P) -> Vec<P> {
        let place = |field: &str| LOOPS.iter().position(|it| *it == field).unwrap_or(LOOPS.len());
        self.0.sort_by_key(|(field, _)| place(field));
        self.0.into_iter().fold(vec![first], |items, (_, step)| step(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parameters::PARAMETERS;

    #[test]
    fn loops_are_over_parameters() {
        for field in LOOPS {
            assert!(PARAMETERS.iter().any(|parameter| parameter.field == field), "{field}");
        }
    }

    #[test]
    fn the_outermost_loop_changes_least() {
        let mut combinations = Combinations::new();
        combinations.vary("another", vec![1, 2], |(all, _), n| (all, n));
        combinations.vary("n_batch", vec!["a", "b"], |(_, n), all| (all, n));
        combinations.vary("n_ubatch", Vec::<u32>::new(), |item, _| item);
        assert_eq!(combinations.of(("", 0)), [("a", 1), ("a", 2), ("b", 1), ("b", 2)]);
    }
}
