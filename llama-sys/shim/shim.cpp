#include "shim.h"

#include "buffers.h"
#include "calls.h"
#include "cell_work.h"
#include "facts.h"
#include "ggml-cpu.h"
#include "grammar.h"
#include "memory.h"
#include "probe.h"
#include "profile.h"
#include "rpc.h"
#include "stream.h"
#include "tally.h"
#include "work.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>

extern "C" {
// Of ggml's internal header.
GGML_API void ggml_log_callback_default(enum ggml_log_level level, const char * text, void * user_data);
}

static const int32_t threw = -1000;

bool llama_sys_log_is_default(ggml_log_callback callback) {
    return callback == ggml_log_callback_default;
}

int32_t llama_sys_flash_attn(const llama_context * ctx) {
    return flash_attn(ctx);
}

void llama_sys_model_params(const llama_model * model, llama_model_params * out) {
    model_params(model, out);
}

void llama_sys_model_facts_of(const llama_model * model, llama_sys_model_facts * out) {
    model_facts(model, out);
}

static void prepare(ggml_backend_dev_t device) {
    if (std::strcmp(ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)), "Vulkan") == 0) {
        ggml_backend_dev_buffer_type(device); // makes the device (ggml_vk_get_device)
    }
}

void llama_sys_prepare_devices(void) {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        contained([&] { prepare(ggml_backend_dev_get(i)); return true; }, false);
    }
}

uint32_t llama_sys_model_devices(const llama_model * model, ggml_backend_dev_t * out, uint32_t cap) {
    return model_devices(model, out, cap);
}

bool llama_sys_model_tensor_at(const llama_model * model, uint32_t i, llama_sys_model_tensor * out) {
    return model_tensor(model, i, out);
}

llama_model * llama_sys_model_load_from_file(const char * path, llama_model_params params) {
    return contained([&] { return llama_model_load_from_file(path, params); }, (llama_model *) nullptr);
}

bool llama_sys_has_streams(void) {
    return has_streams();
}

llama_model * llama_sys_model_load_from_stream(llama_sys_stream * stream, char * buffer, size_t size,
                                               llama_model_params params) {
    FILE * file = open_stream(stream, buffer, size);
    if (file == nullptr) {
        set_last_exception("the C library did not open a stream");
        return nullptr;
    }
    llama_model * model = contained([&] { return llama_model_load_from_file_ptr(file, params); }, (llama_model *) nullptr);
    fclose(file);
    return model;
}

llama_context * llama_sys_init_from_model(llama_model * model, llama_context_params params) {
    return contained([&] { return llama_init_from_model(model, params); }, (llama_context *) nullptr);
}

llama_adapter_lora * llama_sys_adapter_lora_init(llama_model * model, const char * path) {
    return contained([&] { return llama_adapter_lora_init(model, path); }, (llama_adapter_lora *) nullptr);
}

bool llama_sys_set_adapters_lora(llama_context * ctx, llama_adapter_lora ** adapters, size_t n, float * scales) {
    return contained([&] { return llama_set_adapters_lora(ctx, adapters, n, scales) == 0; }, false);
}

int32_t llama_sys_decode(llama_context * ctx, llama_batch batch) {
    return computed(ctx, [&] { return llama_decode(ctx, batch); }, threw);
}

int32_t llama_sys_encode(llama_context * ctx, llama_batch batch) {
    return computed(ctx, [&] { return llama_encode(ctx, batch); }, threw);
}

bool llama_sys_synchronize(llama_context * ctx) {
    return computed(ctx, [&] { llama_synchronize(ctx); return true; }, false);
}

float * llama_sys_get_logits_ith(llama_context * ctx, int32_t i) {
    return contained([&] { return llama_get_logits_ith(ctx, i); }, (float *) nullptr);
}

size_t llama_sys_state_seq_get_size_ext(llama_context * ctx, llama_seq_id seq, llama_state_seq_flags flags) {
    return contained([&] { return llama_state_seq_get_size_ext(ctx, seq, flags); }, (size_t) 0);
}

size_t llama_sys_state_seq_get_data_ext(llama_context * ctx, uint8_t * dst, size_t size, llama_seq_id seq,
                                        llama_state_seq_flags flags) {
    return contained([&] { return llama_state_seq_get_data_ext(ctx, dst, size, seq, flags); }, (size_t) 0);
}

size_t llama_sys_state_seq_set_data_ext(llama_context * ctx, const uint8_t * src, size_t size, llama_seq_id seq,
                                        llama_state_seq_flags flags) {
    return contained([&] { return llama_state_seq_set_data_ext(ctx, src, size, seq, flags); }, (size_t) 0);
}

bool llama_sys_memory_seq_rm(llama_memory_t mem, llama_seq_id seq, llama_pos p0, llama_pos p1) {
    return contained([&] { return llama_memory_seq_rm(mem, seq, p0, p1); }, false);
}

bool llama_sys_memory_apply(llama_context * ctx, llama_seq_id a, llama_seq_id b, bool embeddings) {
    return computed(ctx, [&] {
        // A decode forgets how the outputs of the one before it are to be put in order.
        llama_get_logits(ctx);
        // Only a decode makes copies that were put off. This one makes them and then finds no way to split a batch whose
        // token is in two streams, nor would a context that computes embeddings try.
        llama_set_embeddings(ctx, false);
        llama_token  token  = 0;
        llama_pos    pos    = llama_memory_seq_pos_max(llama_get_memory(ctx), a) + 1;
        llama_seq_id both[] = { a, b };
        llama_seq_id * seq_id = both;
        int32_t n_seq_id = 2;
        int8_t  output   = 0;
        const int32_t code = llama_decode(ctx, { 1, &token, nullptr, &pos, &n_seq_id, &seq_id, &output });
        llama_set_embeddings(ctx, embeddings);
        return code == 1;
    }, false);
}

bool llama_sys_memory_seq_cp(llama_memory_t mem, llama_seq_id src, llama_seq_id dst, llama_pos p0, llama_pos p1) {
    return contained([&] { llama_memory_seq_cp(mem, src, dst, p0, p1); return true; }, false);
}

bool llama_sys_memory_seq_add(llama_memory_t mem, llama_seq_id seq, llama_pos p0, llama_pos p1, llama_pos delta) {
    return contained([&] { llama_memory_seq_add(mem, seq, p0, p1, delta); return true; }, false);
}

bool llama_sys_memory_can_shift(const llama_context * ctx) {
    return contained([&] { return can_shift(ctx); }, false);
}

bool llama_sys_memory_shift(llama_context * ctx) {
    return computed(ctx, [&] { return shift_now(ctx); }, false);
}

int32_t llama_sys_tokenize(const llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens,
                           int32_t n_tokens_max, bool add_special, bool parse_special) {
    return contained([&] { return llama_tokenize(vocab, text, text_len, tokens, n_tokens_max, add_special, parse_special); },
                     INT32_MIN);
}

int32_t llama_sys_detokenize(const llama_vocab * vocab, const llama_token * tokens, int32_t n_tokens, char * text,
                             int32_t text_len_max, bool remove_special, bool unparse_special) {
    return contained([&] { return llama_detokenize(vocab, tokens, n_tokens, text, text_len_max, remove_special, unparse_special); },
                     INT32_MIN);
}

int32_t llama_sys_token_to_piece(const llama_vocab * vocab, llama_token token, char * buf, int32_t length,
                                 int32_t lstrip, bool special) {
    return contained([&] { return llama_token_to_piece(vocab, token, buf, length, lstrip, special); }, INT32_MIN);
}

int32_t llama_sys_chat_apply_template(const char * tmpl, const llama_chat_message * chat, size_t n_msg, bool add_ass,
                                      char * buf, int32_t length) {
    return contained([&] { return llama_chat_apply_template(tmpl, chat, n_msg, add_ass, buf, length); }, INT32_MIN);
}

bool llama_sys_grammar_check(const llama_vocab * vocab, const char * grammar, const char * root, uint32_t * depth) {
    return contained([&] { *depth = check_grammar(vocab, grammar, root); return true; }, false);
}

llama_sampler * llama_sys_sampler_init_grammar(const llama_vocab * vocab, const char * grammar, const char * root) {
    return contained([&] { return llama_sampler_init_grammar(vocab, grammar, root); }, (llama_sampler *) nullptr);
}

llama_sampler * llama_sys_sampler_init_penalties(int32_t n_vocab, int32_t last_n, float repeat, float freq, float present) {
    return contained([&] { return llama_sampler_init_penalties(n_vocab, last_n, repeat, freq, present); },
                     (llama_sampler *) nullptr);
}

llama_sampler * llama_sys_sampler_init_dry(const llama_vocab * vocab, float multiplier, float base,
                                           int32_t allowed_length, int32_t last_n, const char ** breakers,
                                           size_t n_breakers) {
    return contained([&] {
        return llama_sampler_init_dry(vocab, multiplier, base, allowed_length, last_n, breakers, n_breakers);
    }, (llama_sampler *) nullptr);
}

llama_sampler * llama_sys_sampler_init_logit_bias(int32_t n_vocab, int32_t n_bias, const llama_logit_bias * bias) {
    return contained([&] { return llama_sampler_init_logit_bias(n_vocab, n_bias, bias); }, (llama_sampler *) nullptr);
}

bool llama_sys_sampler_apply(llama_sampler * smpl, llama_token_data_array * cur_p) {
    return contained([&] { llama_sampler_apply(smpl, cur_p); return true; }, false);
}

bool llama_sys_sampler_accept(llama_sampler * smpl, llama_token token) {
    return contained([&] { llama_sampler_accept(smpl, token); return true; }, false);
}

bool llama_sys_sampler_reset(llama_sampler * smpl) {
    return contained([&] { llama_sampler_reset(smpl); return true; }, false);
}

int32_t llama_sys_memory_breakdown(const llama_context * ctx, llama_sys_memory * out, int32_t cap) {
    return contained([&] { return memory_breakdown(ctx, out, cap); }, (int32_t) -1);
}

bool llama_sys_memory_is_host(const llama_context * ctx) {
    return contained([&] { return memory_is_host(ctx); }, false);
}

llama_sys_memory_rows llama_sys_memory_rows_of(llama_context * ctx, uint32_t n_seq_max, size_t * smallest) {
    return contained([&] { return memory_rows_of(ctx, n_seq_max, smallest); }, LLAMA_SYS_ROWS_UNKNOWN);
}

bool llama_sys_memory_has_room(llama_context * ctx, size_t size, size_t bookkeeping) {
    return contained([&] { return memory_has_room(ctx, size, bookkeeping); }, false);
}

int32_t llama_sys_work_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_work_part * out,
                                 int32_t cap, uint32_t * n_splits) {
    return contained([&] { return work_of_decode(ctx, n_tokens, all_outputs, out, cap, n_splits); }, (int32_t) -1);
}

int32_t llama_sys_work_of_encode(llama_context * ctx, llama_batch batch, llama_sys_work_part * out, int32_t cap,
                                 uint32_t * n_splits) {
    return computed(ctx, [&] { return work_of_encode(ctx, batch, out, cap, n_splits); }, (int32_t) -1);
}

int32_t llama_sys_cell_work(llama_context * ctx, llama_sys_cell_test test, llama_sys_cell_part * out, int32_t cap,
                            uint32_t * n_graphs, char * why, size_t why_size) {
    const auto count = [&]() -> int32_t {
        try {
            return cell_work_of(ctx, test, out, cap, n_graphs);
        } catch (const uncountable & reason) {
            snprintf(why, why_size, "%s", reason.what());
            return -2;
        }
    };
    return contained(count, (int32_t) -1);
}

int32_t llama_sys_strays_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_stray * out,
                                   int32_t cap) {
    return contained([&] { return strays_of_decode(ctx, n_tokens, all_outputs, out, cap); }, (int32_t) -1);
}

llama_sys_trace * llama_sys_trace_new(llama_context * ctx) {
    return contained([&] { return trace_new(ctx); }, (llama_sys_trace *) nullptr);
}

bool llama_sys_trace_begin(llama_context * ctx, llama_sys_trace * trace, llama_sys_trace_stops stops) {
    return computed(ctx, [&] { trace_begin(trace, stops); return true; }, false);
}

int32_t llama_sys_trace_end(llama_context * ctx, llama_sys_trace * trace) {
    return computed(ctx, [&] { return (int32_t) trace_end(trace); }, (int32_t) -1);
}

bool llama_sys_trace_stop_at(llama_sys_trace * trace, uint32_t i, llama_sys_trace_stop * out) {
    return contained([&] { return trace_stop(trace, i, out); }, false);
}

void llama_sys_trace_free(llama_sys_trace * trace) {
    trace_free(trace);
}

bool llama_sys_dev_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    return contained([&] { ggml_backend_dev_memory(device, free, total); return true; }, false);
}

bool llama_sys_has_rpc(void) {
    return has_rpc();
}

uint32_t llama_sys_rpc_version(void) {
    return rpc_version();
}

int32_t llama_sys_rpc_add_server(const char * endpoint, ggml_backend_dev_t * out, int32_t cap) {
    return contained([&] { return rpc_add_server(endpoint, out, cap); }, (int32_t) -1);
}

bool llama_sys_rpc_forget_graph(ggml_backend_dev_t device) {
    return contained([&] { rpc_forget_graph(device); return true; }, false);
}

void llama_sys_rpc_serve(const char * endpoint, const char * cache_dir, size_t n_threads, size_t n_devices,
                         ggml_backend_dev_t * devices) {
    contained([&] { rpc_serve(endpoint, cache_dir, n_threads, n_devices, devices); return true; }, false);
}

llama_sys_block * llama_sys_block_new(ggml_backend_dev_t device, size_t size) {
    return contained([&] { return new llama_sys_block(device, size); }, (llama_sys_block *) nullptr);
}

bool llama_sys_block_write(llama_sys_block * block, const void * data, size_t size) {
    return contained([&] { ggml_backend_tensor_set(block->tensor, data, 0, size); return true; }, false);
}

bool llama_sys_block_read(llama_sys_block * block, void * data, size_t size) {
    return contained([&] { ggml_backend_tensor_get(block->tensor, data, 0, size); return true; }, false);
}

void llama_sys_block_free(llama_sys_block * block) {
    contained([&] { delete block; return true; }, false);
}

llama_sys_probe * llama_sys_probe_new(ggml_backend_dev_t device, llama_sys_probe_shape shape) {
    return contained([&] { return new llama_sys_probe(device, shape); }, (llama_sys_probe *) nullptr);
}

bool llama_sys_probe_run(llama_sys_probe * probe) {
    return contained([&] { probe->run(); return true; }, false);
}

void llama_sys_probe_free(llama_sys_probe * probe) {
    contained([&] { delete probe; return true; }, false);
}

ggml_backend_dev_t llama_sys_model_tensor_device(const llama_model * model, uint32_t i) {
    return contained([&] { return model_tensor_device(model, i); }, (ggml_backend_dev_t) nullptr);
}
