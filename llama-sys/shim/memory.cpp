#include "memory.h"

#include "llama-context.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"
#include "llama-memory-hybrid-iswa.h"
#include "llama-memory-hybrid.h"
#include "llama-model.h"

#include <cmath>
#include <memory>

// Columns of the matrix that a cache turns quantised keys by, 0 if it keeps them as they are.
static int64_t turned_by(const llama_kv_cache * kv) {
    const ggml_init_params params = { 4 * ggml_tensor_overhead(), nullptr, /* no_alloc = */ true };
    std::unique_ptr<ggml_context, decltype(&ggml_free)> ctx(ggml_init(params), ggml_free);
    const ggml_tensor * rot = ctx != nullptr ? kv->build_input_k_rot(ctx.get()) : nullptr;
    return rot != nullptr ? rot->ne[0] : 0;
}

// YaRN makes rotated keys longer, and would once more each time that they are rotated.
static bool keeps_length(const llama_context * ctx, uint32_t il) {
    const llama_cparams & cparams = ctx->get_cparams();
    const float freq_scale = ctx->get_model().get_rope_freq_scale(cparams, il);
    const float by_yarn = cparams.yarn_ext_factor != 0.0f ? 1.0f + 0.1f * logf(1.0f / freq_scale) : 1.0f;
    return fabsf(cparams.yarn_attn_factor * by_yarn - 1.0f) < 1e-3f;
}

// Whether the graph that turns this cache's keys to new positions can be computed: ggml has no rotation of bf16 on a CPU;
// quantised keys are turned back by a matrix, which llama.cpp assumes, and copied whole, which ends the
// process if only a part of each head is rotated.
static bool can_rotate(const llama_kv_cache * kv, const llama_context * ctx) {
    const llama_hparams & hparams = ctx->get_model().hparams;
    for (const uint32_t il : kv->get_layer_ids()) {
        if (!hparams.has_rope(il)) {
            continue;
        }
        if (!keeps_length(ctx, il)) {
            return false;
        }
        const ggml_type type = kv->type_k();
        if (type == GGML_TYPE_F16 || type == GGML_TYPE_F32) {
            continue;
        }
        const int64_t n_rot = hparams.n_rot(il);
        const bool is_whole = hparams.n_lora_kv == 0 && n_rot == hparams.n_embd_head_k(il) &&
                              hparams.n_embd_k_gqa(il) == hparams.n_embd_head_k(il) * hparams.n_head_kv(il);
        const int64_t n = turned_by(kv);
        if (!ggml_is_quantized(type) || !is_whole || n == 0 || n_rot % n != 0) {
            return false;
        }
    }
    return true;
}

bool can_shift(const llama_context * ctx) {
    const llama_memory_i * memory = ctx->get_memory();
    if (memory == nullptr || !memory->get_can_shift()) {
        return false;
    }
    const llama_hparams & hparams = ctx->get_model().hparams;
    if (hparams.rope_type == LLAMA_ROPE_TYPE_NONE) {
        return true; // positions alone move
    }
    if (const auto * hybrid = dynamic_cast<const llama_memory_hybrid *>(memory)) {
        memory = hybrid->get_mem_attn();
    } else if (const auto * hybrid = dynamic_cast<const llama_memory_hybrid_iswa *>(memory)) {
        memory = hybrid->get_mem_attn();
    }
    if (const auto * kv = dynamic_cast<const llama_kv_cache *>(memory)) {
        return can_rotate(kv, ctx);
    }
    if (const auto * kv = dynamic_cast<const llama_kv_cache_iswa *>(memory)) {
        return can_rotate(kv->get_base(), ctx) && can_rotate(kv->get_swa(), ctx);
    }
    // Recurrent states have positions alone; memories of other kinds have caches of their own beside the keys.
    return hparams.n_embd_head_k_full == 0 || llama_model_is_recurrent(&ctx->get_model());
}

bool shift_now(llama_context * ctx) {
    ctx->synchronize();
    ctx->sched_reserve();
    return ctx->memory_update(/* optimize = */ false);
}
