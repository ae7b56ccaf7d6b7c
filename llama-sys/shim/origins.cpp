// What a node reads: weights, memory, keys, or a copy of them. The rest of `reader` is in reader.cpp.
#include "reader.h"

#include "llama-model.h"

#include <cstdio>
#include <cstring>

const ggml_tensor * reader::original(const ggml_tensor * src) const {
    if (src->op != GGML_OP_NONE || strchr(src->name, '#') == nullptr) {
        return src;
    }
    const std::string name(strchr(src->name, '#') + 1);
    const auto found = named_tensors.find(name.substr(0, name.rfind('#')));
    return found != named_tensors.end() ? found->second : src;
}

const ggml_tensor * reader::root_of(const ggml_tensor * src) const {
    src = original(src);
    while (src->view_src != nullptr) {
        src = original(src->view_src);
    }
    return src;
}

const ggml_tensor * reader::origin_of(const ggml_tensor * src) const {
    src = root_of(src);
    while ((src->op == GGML_OP_CPY || src->op == GGML_OP_CONT) && src->view_src == nullptr) {
        src = root_of(src->src[0]);
    }
    return src;
}

bool reader::is_weight(const ggml_tensor * root) const {
    return weights.count(root) != 0 || (root->buffer != nullptr && root->op == GGML_OP_NONE &&
                                        ggml_backend_buffer_get_usage(root->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
}

// What lies in a buffer before anything is computed, and is neither a weight nor an input.
bool reader::is_memory(const ggml_tensor * root) const {
    return root->op == GGML_OP_NONE && root->buffer != nullptr && (root->flags & GGML_TENSOR_FLAG_INPUT) == 0 && !is_weight(root);
}

reader::cell_tensor reader::named(const ggml_tensor * root) const {
    char kind = 0;
    int32_t il = 0;
    if (sscanf(root->name, "cache_%c_l%d", &kind, &il) == 2) {
        if (kind == 'k' || kind == 'v') {
            return { kind, il };
        }
        if (kind == 'r' || kind == 's') {
            return { 's', il };
        }
    }
    throw uncountable(std::string("it is not known what ") + root->name + " is");
}

visibility reader::seen_by(const ggml_tensor * keys) const {
    const llama_hparams & hparams = ctx->get_model().hparams;
    const bool is_causal          = ctx->get_cparams().causal_attn;
    if (keys == nullptr) {
        if (ctx->get_memory() != nullptr) {
            throw uncountable("attention over keys that are not in the cache");
        }
        if (hparams.swa_type != LLAMA_SWA_TYPE_NONE) {
            throw uncountable("windows of attention without a cache");
        }
        visibility all;
        all.everything = !is_causal;
        return all;
    }
    if (!is_causal) {
        throw uncountable("attention to later tokens of a cache");
    }
    visibility seen;
    const uint32_t il = named(keys).il;
    if (hparams.swa_type != LLAMA_SWA_TYPE_NONE && hparams.is_swa(il)) {
        seen.type     = hparams.swa_type;
        seen.n_window = hparams.n_swa;
    }
    return seen;
}

int reader::cells_dimension(const ggml_tensor * node, int j) const {
    switch (node->op) {
        case GGML_OP_FLASH_ATTN_EXT: return j == 1 || j == 2 ? 1 : j == 3 ? 0 : -1;
        case GGML_OP_SOFT_MAX: return j == 1 && softmaxes.count(node) != 0 ? 0 : -1;
        case GGML_OP_MUL_MAT: return j != 0 ? -1 : score_products.count(node) != 0 ? 1 : keys_of(node) != nullptr ? 0 : -1;
        default: return -1;
    }
}

const ggml_tensor * reader::keys_of(const ggml_tensor * node) const {
    const ggml_tensor * keys = nullptr;
    if (node->op == GGML_OP_FLASH_ATTN_EXT) {
        keys = origin_of(node->src[1]);
    } else if (score_products.count(node) != 0) {
        keys = origin_of(node->src[0]);
    } else if (const auto softmax = softmaxes.find(node); softmax != softmaxes.end()) {
        keys = origin_of(softmax->second->src[0]);
    } else if (node->op == GGML_OP_MUL_MAT) {
        const auto before = softmaxes.find(origin_of(node->src[1]));
        keys = before != softmaxes.end() ? origin_of(before->second->src[0]) : nullptr;
    } else if (score_results.count(node) != 0) {
        keys = origin_of(node->src[0]); // through what scores pass
        while (keys != nullptr && score_products.count(keys) == 0) {
            keys = keys->src[0] != nullptr ? origin_of(keys->src[0]) : nullptr;
        }
        keys = keys != nullptr ? origin_of(keys->src[0]) : nullptr;
    }
    return keys != nullptr && is_memory(keys) ? keys : nullptr;
}

const std::string & reader::device(const ggml_tensor * node) const {
    return devices.at(node);
}
