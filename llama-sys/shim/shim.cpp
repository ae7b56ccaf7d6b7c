#include "shim.h"

#include "llama-ext.h"

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

static thread_local std::string last_exception;

// Calls of this thread that are inside `contained`, so that an exception would be caught.
static thread_local int depth = 0;

const char * llama_sys_last_exception(void) {
    return last_exception.c_str();
}

// Runs `call`; an exception is remembered and `failed` returned in its place.
template <typename F, typename R> static R contained(F call, R failed) {
    last_exception.clear();
    struct inside {
        inside() { depth++; }
        ~inside() { depth--; }
    } guard;
    try {
        return call();
    } catch (const std::exception & e) {
        last_exception = e.what();
    } catch (...) {
        last_exception = "an exception that is no std::exception";
    }
    return failed;
}

static const int32_t threw = -1000;

// ggml calls this in place of printing and then ends the process. Where an exception would be caught, throwing one
// gets out of that; elsewhere (compute threads, destructors) the process ends as it would have. The frames between
// are C++, or C of ggml, for which every compiler of 64-bit systems writes unwind tables.
static void on_abort(const char * message) {
    if (depth > 0) {
        throw std::runtime_error(message);
    }
    fprintf(stderr, "%s\n", message);
}

void llama_sys_throw_on_abort(void) {
    ggml_set_abort_callback(on_abort);
}

llama_model * llama_sys_model_load_from_file(const char * path, llama_model_params params) {
    return contained([&] { return llama_model_load_from_file(path, params); }, (llama_model *) nullptr);
}

llama_context * llama_sys_init_from_model(llama_model * model, llama_context_params params) {
    return contained([&] { return llama_init_from_model(model, params); }, (llama_context *) nullptr);
}

int32_t llama_sys_decode(llama_context * ctx, llama_batch batch) {
    return contained([&] { return llama_decode(ctx, batch); }, threw);
}

int32_t llama_sys_encode(llama_context * ctx, llama_batch batch) {
    return contained([&] { return llama_encode(ctx, batch); }, threw);
}

bool llama_sys_synchronize(llama_context * ctx) {
    return contained([&] { llama_synchronize(ctx); return true; }, false);
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

bool llama_sys_memory_seq_cp(llama_memory_t mem, llama_seq_id src, llama_seq_id dst, llama_pos p0, llama_pos p1) {
    return contained([&] { llama_memory_seq_cp(mem, src, dst, p0, p1); return true; }, false);
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

llama_token llama_sys_sampler_sample(llama_sampler * smpl, llama_context * ctx, int32_t idx) {
    return contained([&] { return llama_sampler_sample(smpl, ctx, idx); }, (llama_token) LLAMA_TOKEN_NULL);
}

int32_t llama_sys_memory_breakdown(const llama_context * ctx, llama_sys_memory * out, int32_t cap) {
    return contained([&]() -> int32_t {
        int32_t n = 0;
        for (const auto & [buft, data] : llama_get_memory_breakdown(ctx)) {
            if (n < cap) {
                ggml_backend_dev_t dev = ggml_backend_buft_get_device(buft);
                snprintf(out[n].device, sizeof(out[n].device), "%s", dev ? ggml_backend_dev_name(dev) : "");
                snprintf(out[n].buffer_type, sizeof(out[n].buffer_type), "%s", ggml_backend_buft_name(buft));
                out[n].model   = data.model;
                out[n].context = data.context;
                out[n].compute = data.compute;
            }
            n++;
        }
        return n;
    }, (int32_t) -1);
}
