//! The C API as the rest of this folder uses it: each function that needs llama.cpp's statics is a call that the end of
//! the process waits for (see [`at_exit`](super::at_exit)). Everything else is `llama_sys`'s own.

use std::ffi::{c_char, c_void};

pub(super) use llama_sys::*;

use super::at_exit::{self, Calls};

macro_rules! counted {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(
            // Hides the function of the same name that comes with the glob. Some are for measuring alone.
            #[cfg_attr(not(feature = "measure"), allow(dead_code))]
            #[inline]
            pub(super) unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                static CALLS: Calls = Calls::new();
                let _inside = at_exit::enter();
                // SAFETY: as the caller promised; the statics that it needs live as long as `_inside`.
                let result = unsafe { llama_sys::$name($($argument),*) };
                CALLS.count();
                result
            }
        )*

        #[cfg(test)]
        const COUNTED: &[&str] = &[$(stringify!($name)),*];
    };
}

counted! {
    fn ggml_backend_buft_name(buft: ggml_backend_buffer_type_t) -> *const c_char;
    fn ggml_backend_dev_backend_reg(device: ggml_backend_dev_t) -> ggml_backend_reg_t;
    fn ggml_backend_dev_buffer_type(device: ggml_backend_dev_t) -> ggml_backend_buffer_type_t;
    fn ggml_backend_dev_by_type(type_: ggml_backend_dev_type) -> ggml_backend_dev_t;
    fn ggml_backend_dev_count() -> usize;
    fn ggml_backend_dev_description(device: ggml_backend_dev_t) -> *const c_char;
    fn ggml_backend_dev_get(index: usize) -> ggml_backend_dev_t;
    fn ggml_backend_dev_get_props(device: ggml_backend_dev_t, props: *mut ggml_backend_dev_props);
    fn ggml_backend_dev_memory(device: ggml_backend_dev_t, free: *mut usize, total: *mut usize);
    fn ggml_backend_dev_name(device: ggml_backend_dev_t) -> *const c_char;
    fn ggml_backend_dev_type(device: ggml_backend_dev_t) -> ggml_backend_dev_type;
    fn ggml_backend_load_all();
    fn ggml_backend_load_all_from_path(dir_path: *const c_char);
    fn ggml_backend_reg_count() -> usize;
    fn ggml_backend_reg_dev_count(reg: ggml_backend_reg_t) -> usize;
    fn ggml_backend_reg_get(index: usize) -> ggml_backend_reg_t;
    fn ggml_backend_reg_get_proc_address(reg: ggml_backend_reg_t, name: *const c_char) -> *mut c_void;
    fn ggml_backend_reg_name(reg: ggml_backend_reg_t) -> *const c_char;
    fn llama_attach_threadpool(ctx: *mut llama_context, threadpool: ggml_threadpool_t, threadpool_batch: ggml_threadpool_t);
    fn llama_backend_init();
    fn llama_chat_builtin_templates(output: *mut *const c_char, len: usize) -> i32;
    fn llama_free(ctx: *mut llama_context);
    fn llama_ftype_name(ftype: llama_ftype) -> *const c_char;
    fn llama_get_causal_attn(ctx: *const llama_context) -> bool;
    fn llama_get_embeddings_ith(ctx: *mut llama_context, i: i32) -> *mut f32;
    fn llama_get_embeddings_seq(ctx: *mut llama_context, seq_id: llama_seq_id) -> *mut f32;
    fn llama_get_memory(ctx: *const llama_context) -> llama_memory_t;
    fn llama_memory_clear(mem: llama_memory_t, data: bool);
    fn llama_memory_seq_pos_max(mem: llama_memory_t, seq_id: llama_seq_id) -> llama_pos;
    fn llama_memory_seq_pos_min(mem: llama_memory_t, seq_id: llama_seq_id) -> llama_pos;
    fn llama_model_chat_template(model: *const llama_model, name: *const c_char) -> *const c_char;
    fn llama_model_decoder_start_token(model: *const llama_model) -> llama_token;
    fn llama_model_desc(model: *const llama_model, buf: *mut c_char, buf_size: usize) -> i32;
    fn llama_model_free(model: *mut llama_model);
    fn llama_model_ftype(model: *const llama_model) -> llama_ftype;
    fn llama_model_get_vocab(model: *const llama_model) -> *const llama_vocab;
    fn llama_model_has_decoder(model: *const llama_model) -> bool;
    fn llama_model_has_encoder(model: *const llama_model) -> bool;
    fn llama_model_is_diffusion(model: *const llama_model) -> bool;
    fn llama_model_is_hybrid(model: *const llama_model) -> bool;
    fn llama_model_is_recurrent(model: *const llama_model) -> bool;
    fn llama_model_meta_count(model: *const llama_model) -> i32;
    fn llama_model_meta_key_by_index(model: *const llama_model, i: i32, buf: *mut c_char, buf_size: usize) -> i32;
    fn llama_model_meta_val_str_by_index(model: *const llama_model, i: i32, buf: *mut c_char, buf_size: usize) -> i32;
    fn llama_model_n_cls_out(model: *const llama_model) -> u32;
    fn llama_model_n_ctx_train(model: *const llama_model) -> i32;
    fn llama_model_n_embd(model: *const llama_model) -> i32;
    fn llama_model_n_embd_out(model: *const llama_model) -> i32;
    fn llama_model_n_layer(model: *const llama_model) -> i32;
    fn llama_model_n_params(model: *const llama_model) -> u64;
    fn llama_model_n_swa(model: *const llama_model) -> i32;
    fn llama_model_size(model: *const llama_model) -> u64;
    fn llama_n_batch(ctx: *const llama_context) -> u32;
    fn llama_n_ctx(ctx: *const llama_context) -> u32;
    fn llama_n_ctx_seq(ctx: *const llama_context) -> u32;
    fn llama_n_ubatch(ctx: *const llama_context) -> u32;
    fn llama_numa_init(numa: ggml_numa_strategy);
    fn llama_pooling_type(ctx: *const llama_context) -> llama_pooling_type;
    fn llama_sampler_free(smpl: *mut llama_sampler);
    fn llama_sampler_init_dist(seed: u32) -> *mut llama_sampler;
    fn llama_sampler_init_greedy() -> *mut llama_sampler;
    fn llama_sampler_init_min_p(p: f32, min_keep: usize) -> *mut llama_sampler;
    fn llama_sampler_init_mirostat_v2(seed: u32, tau: f32, eta: f32) -> *mut llama_sampler;
    fn llama_sampler_init_temp(t: f32) -> *mut llama_sampler;
    fn llama_sampler_init_temp_ext(t: f32, delta: f32, exponent: f32) -> *mut llama_sampler;
    fn llama_sampler_init_top_k(k: i32) -> *mut llama_sampler;
    fn llama_sampler_init_top_n_sigma(n: f32) -> *mut llama_sampler;
    fn llama_sampler_init_top_p(p: f32, min_keep: usize) -> *mut llama_sampler;
    fn llama_sampler_init_typical(p: f32, min_keep: usize) -> *mut llama_sampler;
    fn llama_sampler_init_xtc(p: f32, t: f32, min_keep: usize, seed: u32) -> *mut llama_sampler;
    fn llama_set_abort_callback(ctx: *mut llama_context, abort_callback: ggml_abort_callback, abort_callback_data: *mut c_void);
    fn llama_set_embeddings(ctx: *mut llama_context, embeddings: bool);
    fn llama_set_n_threads(ctx: *mut llama_context, n_threads: i32, n_threads_batch: i32);
    fn llama_sys_adapter_lora_init(model: *mut llama_model, path: *const c_char) -> *mut llama_adapter_lora;
    fn llama_sys_block_free(block: *mut llama_sys_block);
    fn llama_sys_block_new(device: ggml_backend_dev_t, size: usize) -> *mut llama_sys_block;
    fn llama_sys_block_read(block: *mut llama_sys_block, data: *mut c_void, size: usize) -> bool;
    fn llama_sys_block_write(block: *mut llama_sys_block, data: *const c_void, size: usize) -> bool;
    fn llama_sys_cell_work(ctx: *mut llama_context, test: llama_sys_cell_test, out: *mut llama_sys_cell_part, cap: i32, n_graphs: *mut u32, why: *mut c_char, why_size: usize) -> i32;
    fn llama_sys_chat_apply_template(tmpl: *const c_char, chat: *const llama_chat_message, n_msg: usize, add_ass: bool, buf: *mut c_char, length: i32) -> i32;
    fn llama_sys_decode(ctx: *mut llama_context, batch: llama_batch) -> i32;
    fn llama_sys_detokenize(vocab: *const llama_vocab, tokens: *const llama_token, n_tokens: i32, text: *mut c_char, text_len_max: i32, remove_special: bool, unparse_special: bool) -> i32;
    fn llama_sys_dev_memory(device: ggml_backend_dev_t, free: *mut usize, total: *mut usize) -> bool;
    fn llama_sys_encode(ctx: *mut llama_context, batch: llama_batch) -> i32;
    fn llama_sys_flash_attn(ctx: *const llama_context) -> i32;
    fn llama_sys_get_logits_ith(ctx: *mut llama_context, i: i32) -> *mut f32;
    fn llama_sys_grammar_check(vocab: *const llama_vocab, grammar: *const c_char, root: *const c_char, depth: *mut u32) -> bool;
    fn llama_sys_has_rpc() -> bool;
    fn llama_sys_init_from_model(model: *mut llama_model, params: llama_context_params) -> *mut llama_context;
    fn llama_sys_memory_apply(ctx: *mut llama_context, a: llama_seq_id, b: llama_seq_id, embeddings: bool) -> bool;
    fn llama_sys_memory_breakdown(ctx: *const llama_context, out: *mut llama_sys_memory, cap: i32) -> i32;
    fn llama_sys_memory_can_shift(ctx: *const llama_context) -> bool;
    fn llama_sys_memory_has_room(ctx: *mut llama_context, size: usize, bookkeeping: usize) -> bool;
    fn llama_sys_memory_is_host(ctx: *const llama_context) -> bool;
    fn llama_sys_memory_rows_of(ctx: *mut llama_context, n_seq_max: u32, smallest: *mut usize) -> llama_sys_memory_rows;
    fn llama_sys_memory_seq_add(mem: llama_memory_t, seq: llama_seq_id, p0: llama_pos, p1: llama_pos, delta: llama_pos) -> bool;
    fn llama_sys_memory_seq_cp(mem: llama_memory_t, src: llama_seq_id, dst: llama_seq_id, p0: llama_pos, p1: llama_pos) -> bool;
    fn llama_sys_memory_seq_rm(mem: llama_memory_t, seq: llama_seq_id, p0: llama_pos, p1: llama_pos) -> bool;
    fn llama_sys_memory_shift(ctx: *mut llama_context) -> bool;
    fn llama_sys_prepare_devices();
    fn llama_sys_model_devices(model: *const llama_model, out: *mut ggml_backend_dev_t, cap: u32) -> u32;
    fn llama_sys_model_facts_of(model: *const llama_model, out: *mut llama_sys_model_facts);
    fn llama_sys_model_load_from_file(path: *const c_char, params: llama_model_params) -> *mut llama_model;
    fn llama_sys_model_load_from_stream(stream: *mut llama_sys_stream, buffer: *mut c_char, size: usize, params: llama_model_params) -> *mut llama_model;
    fn llama_sys_model_params(model: *const llama_model, out: *mut llama_model_params);
    fn llama_sys_model_tensor_at(model: *const llama_model, i: u32, out: *mut llama_sys_model_tensor) -> bool;
    fn llama_sys_model_tensor_device(model: *const llama_model, i: u32) -> ggml_backend_dev_t;
    fn llama_sys_probe_free(probe: *mut llama_sys_probe);
    fn llama_sys_probe_new(device: ggml_backend_dev_t, shape: llama_sys_probe_shape) -> *mut llama_sys_probe;
    fn llama_sys_probe_run(probe: *mut llama_sys_probe) -> bool;
    fn llama_sys_rpc_add_server(endpoint: *const c_char, out: *mut ggml_backend_dev_t, cap: i32) -> i32;
    fn llama_sys_rpc_forget_graph(device: ggml_backend_dev_t) -> bool;
    fn llama_sys_rpc_serve(endpoint: *const c_char, cache_dir: *const c_char, n_threads: usize, n_devices: usize, devices: *mut ggml_backend_dev_t);
    fn llama_sys_sampler_accept(smpl: *mut llama_sampler, token: llama_token) -> bool;
    fn llama_sys_sampler_apply(smpl: *mut llama_sampler, cur_p: *mut llama_token_data_array) -> bool;
    fn llama_sys_sampler_init_dry(vocab: *const llama_vocab, multiplier: f32, base: f32, allowed_length: i32, last_n: i32, breakers: *mut *const c_char, n_breakers: usize) -> *mut llama_sampler;
    fn llama_sys_sampler_init_grammar(vocab: *const llama_vocab, grammar: *const c_char, root: *const c_char) -> *mut llama_sampler;
    fn llama_sys_sampler_init_logit_bias(n_vocab: i32, n_bias: i32, bias: *const llama_logit_bias) -> *mut llama_sampler;
    fn llama_sys_sampler_init_penalties(n_vocab: i32, last_n: i32, repeat: f32, freq: f32, present: f32) -> *mut llama_sampler;
    fn llama_sys_sampler_reset(smpl: *mut llama_sampler) -> bool;
    fn llama_sys_set_adapters_lora(ctx: *mut llama_context, adapters: *mut *mut llama_adapter_lora, n: usize, scales: *mut f32) -> bool;
    fn llama_sys_state_seq_get_data_ext(ctx: *mut llama_context, dst: *mut u8, size: usize, seq: llama_seq_id, flags: llama_state_seq_flags) -> usize;
    fn llama_sys_state_seq_get_size_ext(ctx: *mut llama_context, seq: llama_seq_id, flags: llama_state_seq_flags) -> usize;
    fn llama_sys_state_seq_set_data_ext(ctx: *mut llama_context, src: *const u8, size: usize, seq: llama_seq_id, flags: llama_state_seq_flags) -> usize;
    fn llama_sys_synchronize(ctx: *mut llama_context) -> bool;
    fn llama_sys_throw_on_abort(caller: llama_sys_caller_of_thread);
    fn llama_sys_strays_of_decode(ctx: *mut llama_context, n_tokens: u32, all_outputs: bool, out: *mut llama_sys_stray, cap: i32) -> i32;
    fn llama_sys_token_to_piece(vocab: *const llama_vocab, token: llama_token, buf: *mut c_char, length: i32, lstrip: i32, special: bool) -> i32;
    fn llama_sys_tokenize(vocab: *const llama_vocab, text: *const c_char, text_len: i32, tokens: *mut llama_token, n_tokens_max: i32, add_special: bool, parse_special: bool) -> i32;
    fn llama_sys_trace_begin(ctx: *mut llama_context, trace: *mut llama_sys_trace, stops: llama_sys_trace_stops) -> bool;
    fn llama_sys_trace_end(ctx: *mut llama_context, trace: *mut llama_sys_trace) -> i32;
    fn llama_sys_trace_free(trace: *mut llama_sys_trace);
    fn llama_sys_trace_new(ctx: *mut llama_context) -> *mut llama_sys_trace;
    fn llama_sys_trace_stop_at(trace: *mut llama_sys_trace, i: u32, out: *mut llama_sys_trace_stop) -> bool;
    fn llama_sys_work_of_decode(ctx: *mut llama_context, n_tokens: u32, all_outputs: bool, out: *mut llama_sys_work_part, cap: i32, n_splits: *mut u32) -> i32;
    fn llama_sys_work_of_encode(ctx: *mut llama_context, batch: llama_batch, out: *mut llama_sys_work_part, cap: i32, n_splits: *mut u32) -> i32;
    fn llama_vocab_bos(vocab: *const llama_vocab) -> llama_token;
    fn llama_vocab_eos(vocab: *const llama_vocab) -> llama_token;
    fn llama_vocab_eot(vocab: *const llama_vocab) -> llama_token;
    fn llama_vocab_get_add_bos(vocab: *const llama_vocab) -> bool;
    fn llama_vocab_is_control(vocab: *const llama_vocab, token: llama_token) -> bool;
    fn llama_vocab_is_eog(vocab: *const llama_vocab, token: llama_token) -> bool;
    fn llama_vocab_n_tokens(vocab: *const llama_vocab) -> i32;
    fn llama_vocab_type(vocab: *const llama_vocab) -> llama_vocab_type;
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::COUNTED;

    /// Functions that read their arguments and constants alone.
    const PURE: &[&str] = &[
        "ggml_log_get",
        "ggml_threadpool_params_default",
        "ggml_version",
        "llama_batch_get_one",
        "llama_context_default_params",
        "llama_log_set",
        "llama_max_devices",
        "llama_max_parallel_sequences",
        "llama_model_default_params",
        "llama_sys_dot",
        "llama_sys_has_streams",
        "llama_sys_last_exception",
        "llama_sys_log_is_default",
        "llama_sys_remember_exception",
        "llama_sys_rpc_version",
    ];

    const TYPES: &[&str] = &[
        "llama_sys_block",
        "llama_sys_caller",
        "llama_sys_cell_part",
        "llama_sys_cell_test",
        "llama_sys_memory",
        "llama_sys_model_facts",
        "llama_sys_model_tensor",
        "llama_sys_probe",
        "llama_sys_probe_shape",
        "llama_sys_stray",
        "llama_sys_stream",
        "llama_sys_trace",
        "llama_sys_trace_block",
        "llama_sys_trace_stop",
        "llama_sys_work_part",
    ];

    #[test]
    fn every_call_into_llama_cpp_is_counted() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/llama");
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let source = fs::read_to_string(&path).unwrap();
            // Tests that play another user of llama.cpp are named here too.
            if ["sys.rs", "experts_tests.rs", "adopt_tests.rs", "assertion_tests.rs", "hooks_tests.rs"]
                .iter()
                .any(|name| path.ends_with(name))
            {
                continue;
            }
            assert!(!source.contains("llama_sys::"), "{} goes past the module sys", path.display());
            assert!(!source.contains("use llama_sys"), "{} goes past the module sys", path.display());
            for place in source.split("sys::").skip(1) {
                let end = place.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(place.len());
                let (name, rest) = place.split_at(end);
                let function = (name.starts_with("llama_") || name.starts_with("ggml_"))
                    && (rest.starts_with('(') || name.starts_with("llama_sys_") && !rest.starts_with(' '));
                let known = COUNTED.contains(&name) || PURE.contains(&name) || TYPES.contains(&name);
                assert!(!function || known, "{}: name {name} in `counted!`", path.display());
            }
        }
    }
}
