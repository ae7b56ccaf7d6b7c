#include "blocks.h"

#include "nodes.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

static bool begins(const std::string & text, const char * with) {
    return text.compare(0, strlen(with), with) == 0;
}

static bool has(const std::string & text, const char * part) {
    return text.find(part) != std::string::npos;
}

// The number at `from`; -1 if there is none, or it is followed by another character than `until`.
static int32_t number_at(const std::string & text, size_t from, char until) {
    size_t end = from;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
        end++;
    }
    const char next = end < text.size() ? text[end] : '\0';
    return end > from && end - from < 7 && next == until ? atoi(text.c_str() + from) : -1;
}

// The tensor that another is a part of.
static const ggml_tensor * whole(const ggml_tensor * tensor) {
    return tensor != nullptr && tensor->view_src != nullptr ? tensor->view_src : tensor;
}

// The name of a tensor; of the scheduler's copy, whose name is `device#name#number`, that of the original.
static std::string name_of(const ggml_tensor * tensor) {
    std::string name = tensor->name;
    const size_t first = name.find('#'), last = name.rfind('#');
    return first != last ? name.substr(first + 1, last - first - 1) : name;
}

// Norms stand between blocks and belong to the one that they are for, which is the next.
static bool is_norm_between(const std::string & weight) {
    return begins(weight, "attn_norm") || begins(weight, "ffn_norm") || begins(weight, "post_attention_norm") ||
           begins(weight, "attn_post_norm") || begins(weight, "post_ffw_norm") || begins(weight, "ffn_post_norm") ||
           begins(weight, "post_ffn_norm") || begins(weight, "layer_output_norm") || begins(weight, "attn_output_norm");
}

// What the weight of a layer is for, by its name after `blk.N.`.
static bool block_of_weight(const std::string & weight, llama_sys_trace_block * block) {
    if (is_norm_between(weight)) {
        return false;
    }
    if (has(weight, "exp") || has(weight, "ffn_gate_inp")) {
        *block = LLAMA_SYS_BLOCK_EXPERTS;
    } else if (begins(weight, "ffn_") || begins(weight, "channel_mix")) {
        *block = LLAMA_SYS_BLOCK_FEED_FORWARD;
    } else if (begins(weight, "ssm_") || begins(weight, "time_mix") || begins(weight, "shortconv")) {
        *block = LLAMA_SYS_BLOCK_MIXER;
    } else if (begins(weight, "attn_") || begins(weight, "cross_attn") || begins(weight, "indexer")) {
        *block = LLAMA_SYS_BLOCK_ATTENTION;
    } else {
        return false;
    }
    return true;
}

// What a tensor that a node reads or writes says about it.
static bool hint_of_operand(const ggml_tensor * node, const ggml_tensor * operand, block_hint * hint) {
    const std::string name = name_of(whole(operand));
    const auto is_block = [&](llama_sys_trace_block block) {
        hint->is    = block_hint::BLOCK;
        hint->block = block;
        return true;
    };
    if (begins(name, "blk.")) {
        hint->layer = number_at(name, 4, '.');
        const size_t dot = name.find('.', 4);
        llama_sys_trace_block block;
        return dot != std::string::npos && block_of_weight(name.substr(dot + 1), &block) && is_block(block);
    }
    if (begins(name, "cache_k_l") || begins(name, "cache_v_l")) {
        hint->layer = number_at(name, 9, '\0');
        return is_block(LLAMA_SYS_BLOCK_ATTENTION);
    }
    if (begins(name, "cache_r_l") || begins(name, "cache_s_l")) {
        hint->layer = number_at(name, 9, '\0');
        return is_block(LLAMA_SYS_BLOCK_MIXER);
    }
    if (begins(name, "output.") || begins(name, "output_") || begins(name, "cls.") || begins(name, "cls_")) {
        return is_block(LLAMA_SYS_BLOCK_OUTPUT);
    }
    if (begins(name, "token_embd.") || begins(name, "per_layer_") || begins(name, "position_embd.") || begins(name, "token_types.")) {
        // Many models have one tensor for tokens and for their logits.
        const bool is_product = node->op == GGML_OP_MUL_MAT;
        return is_block(is_product && begins(name, "token_embd.") ? LLAMA_SYS_BLOCK_OUTPUT : LLAMA_SYS_BLOCK_OTHER);
    }
    return false;
}

// What the name of a node says: llama.cpp writes `name-layer`.
static void hint_of_name(const std::string & full, block_hint * hint) {
    const size_t dash = full.rfind('-');
    const int32_t layer = dash == std::string::npos ? -1 : number_at(full, dash + 1, full.find(' ', dash) != std::string::npos ? ' ' : '\0');
    if (hint->layer < 0) {
        hint->layer = layer;
    }
    const std::string name = full.substr(0, layer < 0 ? std::string::npos : dash);
    const auto is_block = [&](llama_sys_trace_block block) {
        hint->is    = block_hint::BLOCK;
        hint->block = block;
    };
    if (name == "ffn_inp" || name == "l_out" || name == "sa_out" || name == "attn_residual") {
        hint->is = block_hint::PREVIOUS;
    } else if (is_norm_between(name)) {
        return;
    } else if (begins(name, "ffn_moe") || begins(name, "ffn_shexp") || begins(name, "shared_expert")) {
        is_block(LLAMA_SYS_BLOCK_EXPERTS);
    } else if (begins(name, "ffn_out")) {
        hint->is = block_hint::PREVIOUS; // of feed-forwards, and of experts with a residual
    } else if (begins(name, "ffn_")) {
        is_block(LLAMA_SYS_BLOCK_FEED_FORWARD);
    } else if (begins(name, "Qcur") || begins(name, "Kcur") || begins(name, "Vcur") || begins(name, "kq") || begins(name, "attn_") ||
               begins(name, "fattn") || begins(name, "wqkv")) {
        is_block(LLAMA_SYS_BLOCK_ATTENTION);
    } else if (begins(name, "mamba") || begins(name, "ssm") || begins(name, "linear_attn") || begins(name, "wkv")) {
        is_block(LLAMA_SYS_BLOCK_MIXER);
    } else if (begins(name, "result_")) {
        is_block(LLAMA_SYS_BLOCK_OUTPUT);
    } else if (begins(name, "inp_") || name == "embd") {
        is_block(LLAMA_SYS_BLOCK_OTHER);
    }
}

block_hint hint_of(const ggml_tensor * node) {
    block_hint hint;
    const std::string op = ggml_op_desc(node);
    if (node->op == GGML_OP_FLASH_ATTN_EXT) {
        hint.is    = block_hint::BLOCK;
        hint.block = LLAMA_SYS_BLOCK_ATTENTION;
    } else if (begins(op, "SSM_") || begins(op, "RWKV_") || begins(op, "GATED_")) {
        hint.is    = block_hint::BLOCK;
        hint.block = LLAMA_SYS_BLOCK_MIXER;
    }
    const auto asks = [&](const ggml_tensor * operand) {
        block_hint found;
        if (operand == nullptr) {
            return;
        }
        const bool is_told = hint_of_operand(node, operand, &found);
        if (hint.layer < 0) {
            hint.layer = found.layer;
        }
        if (is_told && hint.is != block_hint::BLOCK) {
            hint.is    = found.is;
            hint.block = found.block;
        }
    };
    for (const ggml_tensor * src : node->src) {
        asks(src);
    }
    if (node->view_src != nullptr) {
        asks(node->view_src);
    }
    if (hint.is != block_hint::BLOCK) {
        hint_of_name(node->name, &hint);
    } else if (hint.layer < 0) {
        block_hint of_name;
        hint_of_name(node->name, &of_name);
        hint.layer = of_name.layer;
    }
    return hint;
}

bool traced_node::is_stop(llama_sys_trace_stops stops) const {
    switch (stops) {
        case LLAMA_SYS_STOPS_NONE:       return false;
        case LLAMA_SYS_STOPS_LAYERS:     return ends_layer;
        case LLAMA_SYS_STOPS_BLOCKS:     return ends_block;
        case LLAMA_SYS_STOPS_OPERATIONS: return ends_operation;
    }
    return false;
}

// Bytes that a node reads of one operand.
static uint64_t bytes_of(const ggml_tensor * node, int i) {
    const ggml_tensor * src = node->src[i];
    if (i == 0 && node->op == GGML_OP_GET_ROWS) {
        return 0; // the rows, which are as large as the result
    }
    const uint64_t n_bytes = ggml_nbytes(src);
    if (i == 0 && node->op == GGML_OP_MUL_MAT_ID && src->ne[2] > 0) {
        // No more experts than are chosen for all tokens together.
        const uint64_t n_chosen = std::min<uint64_t>(src->ne[2], node->src[2]->ne[0] * node->src[2]->ne[1]);
        return n_bytes / src->ne[2] * n_chosen;
    }
    return n_bytes;
}

void traced_graphs::learn(ggml_backend_sched_t sched, const ggml_tensor * node) {
    // Each graph of a decode begins with the embeddings of its tokens.
    if (all.empty() || all.front().name == node->name) {
        n_graphs++;
        copies.clear();
    }
    traced_node found;
    found.name        = node->name;
    found.graph       = n_graphs - 1;
    found.is_computed = is_computed(node);
    ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(sched, const_cast<ggml_tensor *>(node));
    found.device = backend != nullptr ? device_of(backend) : "";
    found.hint   = hint_of(node);
    if (!found.is_computed || backend == nullptr) {
        all.push_back(found);
        return;
    }
    found.op    = ggml_op_desc(node);
    found.type  = type_of(node);
    found.bytes = ggml_nbytes(node);
    const std::string prefix = std::string(ggml_backend_name(backend)) + "#";
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        const ggml_tensor * src = node->src[i];
        if (src == nullptr) {
            continue;
        }
        found.bytes += bytes_of(node, i);
        const ggml_tensor * root = whole(src);
        const bool is_copy = src->op == GGML_OP_NONE && strncmp(src->name, prefix.c_str(), prefix.size()) == 0;
        const std::string name = name_of(root);
        if (i < 2 && (begins(name, "blk.") || begins(name, "output.") || begins(name, "token_embd."))) {
            found.weights      = name;
            found.weight_bytes = bytes_of(node, i);
            found.weights_at   = root->buffer != nullptr ? ggml_backend_buft_name(ggml_backend_buffer_get_type(root->buffer)) : "";
        }
        if (is_copy && copies.insert(src).second) {
            found.copied_bytes += ggml_nbytes(src);
            found.source = device_of(ggml_backend_sched_get_backend(sched, ggml_backend_sched_get_n_backends(sched) - 1));
            for (auto it = all.rbegin(); it != all.rend() && it->graph == found.graph; ++it) {
                if (it->name == name) {
                    found.source = it->device;
                    it->taken_bytes += ggml_nbytes(src);
                    break;
                }
            }
        }
    }
    all.push_back(found);
}

void traced_graphs::classify() {
    // The layer of the next node that has a block.
    std::vector<int32_t> next_layer(all.size(), -1);
    for (size_t i = all.size(); i-- > 1;) {
        const bool is_told = all[i].hint.is == block_hint::BLOCK;
        next_layer[i - 1] = is_told ? all[i].hint.layer : next_layer[i];
    }
    // Layers that mix tokens by a state have weights of attention's names.
    std::map<int32_t, bool> mixes, attends;
    llama_sys_trace_block before = LLAMA_SYS_BLOCK_OTHER;
    int32_t layer_before = -1;
    for (size_t i = 0; i < all.size(); i++) {
        traced_node & node = all[i];
        // A norm at the end of a layer.
        if (node.hint.is == block_hint::NOTHING && node.hint.layer >= 0 && node.hint.layer == layer_before &&
            next_layer[i] != node.hint.layer) {
            node.hint.is = block_hint::PREVIOUS;
        }
        if (node.hint.layer >= 0) {
            layer_before = node.hint.layer;
        }
        if (node.hint.is == block_hint::PREVIOUS) {
            node.hint.is    = block_hint::BLOCK;
            node.hint.block = before;
        } else if (node.hint.is == block_hint::BLOCK) {
            before = node.hint.block;
        }
        if (node.hint.layer >= 0) {
            mixes[node.hint.layer] |= node.hint.is == block_hint::BLOCK && node.hint.block == LLAMA_SYS_BLOCK_MIXER;
            attends[node.hint.layer] |= strcmp(node.op, "FLASH_ATTN_EXT") == 0 || begins(node.name, "kq_soft_max") ||
                                        begins(node.name, "cache_k_l");
        }
    }
    // A node that says nothing belongs to the next that does; a graph ends in what came before.
    const size_t n = all.size();
    for (size_t i = n; i-- > 0;) {
        traced_node & node = all[i];
        const traced_node * next = i + 1 < n && all[i + 1].graph == node.graph ? &all[i + 1] : nullptr;
        const bool is_told = node.hint.is == block_hint::BLOCK;
        node.layer = node.hint.layer >= 0 ? node.hint.layer : is_told && node.hint.block == LLAMA_SYS_BLOCK_OUTPUT ? -1
                     : is_told && node.hint.block == LLAMA_SYS_BLOCK_OTHER ? -1 : next != nullptr ? next->layer : -1;
        node.block = is_told ? node.hint.block : next != nullptr ? next->block : LLAMA_SYS_BLOCK_OUTPUT;
        if (node.block == LLAMA_SYS_BLOCK_OUTPUT) {
            node.layer = -1;
        }
        if (node.block == LLAMA_SYS_BLOCK_ATTENTION && mixes[node.layer] && !attends[node.layer]) {
            node.block = LLAMA_SYS_BLOCK_MIXER;
        }
    }
    // A stop is at the last node that is computed, since a view costs a stop for nothing.
    traced_node * last = nullptr;
    for (traced_node & node : all) {
        if (!node.is_computed) {
            continue;
        }
        node.ends_operation = true;
        if (last != nullptr) {
            const bool is_elsewhere = last->graph != node.graph || strcmp(last->device, node.device) != 0;
            last->ends_layer = is_elsewhere || last->layer != node.layer;
            last->ends_block = last->ends_layer || last->block != node.block;
        }
        last = &node;
    }
    if (last != nullptr) {
        last->ends_layer = last->ends_block = true;
    }
}

void traced_graphs::describe(uint32_t first, uint32_t last, llama_sys_trace_stop * out) const {
    const traced_node & node = all[last];
    out->name         = node.name.c_str();
    out->op           = node.op;
    out->type         = node.type.c_str();
    out->device       = node.device;
    out->source       = "";
    out->weights      = node.weights.c_str();
    out->block        = node.block;
    out->layer        = node.layer;
    out->graph        = node.graph;
    out->n_operations = 0;
    out->bytes        = 0;
    out->copied_bytes = 0;
    for (uint32_t i = first; i <= last; i++) {
        out->n_operations += all[i].is_computed ? 1 : 0;
        out->bytes += all[i].bytes;
        out->copied_bytes += all[i].copied_bytes;
        if (all[i].copied_bytes > 0 && out->source[0] == '\0') {
            out->source = all[i].source;
        }
    }
}
