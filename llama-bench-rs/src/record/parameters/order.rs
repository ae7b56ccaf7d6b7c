//! The order in which people read parameters, if it differs from the table's.

/// Parameters in the order in which people read them, llama-bench's in its Markdown and on its command line; those
/// that are not here follow in the table's order.
pub(super) const READING: [&str; 13] = [
    "n_gpu_layers",
    "n_cpu_moe",
    "n_threads",
    "n_threads_batch",
    "cpu_mask",
    "cpu_strict",
    "poll",
    "prio",
    "n_batch",
    "n_ubatch",
    "type_k",
    "type_v",
    "main_gpu",
];
