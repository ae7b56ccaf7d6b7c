#include "facts.h"

#include "llama-context.h"
#include "llama-model.h"

#include <algorithm>

int32_t flash_attn(const llama_context * ctx) {
    const llama_cparams & cparams = ctx->get_cparams();
    return cparams.auto_fa ? -1 : cparams.flash_attn ? 1 : 0;
}

// A model's parameters are for its own classes alone. None of this one is ever made.
struct opened : llama_model {
    static const llama_model_params & params_of(const llama_model & model) { return model.*(&opened::params); }
};

void model_params(const llama_model * model, llama_model_params * out) {
    *out = opened::params_of(*model);
    // A list may have been there that was empty.
    if (!model->has_tensor_overrides()) {
        out->tensor_buft_overrides = nullptr;
    }
}

// The buffer that holds a tensor's data; null if none does.
static ggml_backend_buffer_t buffer_of(const ggml_tensor * t) {
    return (t->view_src != nullptr ? t->view_src : t)->buffer;
}

void model_facts(const llama_model * model, llama_sys_model_facts * out) {
    const auto & tensors = model->tensors_by_name;
    const bool is_whole = !model->hparams.vocab_only && !model->hparams.no_alloc && !tensors.empty();
    out->n_tensors   = (uint32_t) tensors.size();
    out->n_layers    = model->hparams.n_layer_all + 1;
    out->n_offloaded = model->devices.empty() ? 0 : std::min(model->n_gpu_layers(), out->n_layers);
    out->can_offload = llama_supports_gpu_offload() && !model->hparams.vocab_only;
    out->has_weights = is_whole && std::all_of(tensors.begin(), tensors.end(), [](const auto & named) {
        return buffer_of(named.second) != nullptr;
    });
}

uint32_t model_devices(const llama_model * model, ggml_backend_dev_t * out, uint32_t cap) {
    const size_t n = model->devices.size();
    for (size_t i = 0; i < n && i < cap; i++) {
        out[i] = model->devices[i].dev;
    }
    return (uint32_t) n;
}

bool model_tensor(const llama_model * model, uint32_t i, llama_sys_model_tensor * out) {
    if (i >= model->tensors_by_name.size()) {
        return false;
    }
    const auto & [name, t] = model->tensors_by_name[i];
    ggml_backend_buffer_t buffer = buffer_of(t);
    // Repacked weights lie in buffers that are not the host's.
    const bool is_readable = buffer != nullptr && ggml_backend_buffer_is_host(buffer) && ggml_is_contiguous(t);
    out->name       = name.c_str();
    out->type       = t->type;
    out->n_elements = (uint64_t) ggml_nelements(t);
    out->n_bytes    = ggml_nbytes(t);
    out->data       = is_readable ? t->data : nullptr;
    return true;
}
