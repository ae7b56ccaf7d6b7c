#include "buffers.h"

#include "llama-ext.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

int32_t memory_breakdown(const llama_context * ctx, llama_sys_memory * out, int32_t cap) {
    int32_t n = 0;
    for (const auto & [buft, data] : llama_get_memory_breakdown(ctx)) {
        if (n < cap) {
            ggml_backend_dev_t dev = ggml_backend_buft_get_device(buft);
            // Pinned memory names the device that it is pinned for, and lies in the host's.
            if (ggml_backend_buft_is_host(buft)) {
                dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
            }
            snprintf(out[n].device, sizeof(out[n].device), "%s", dev ? ggml_backend_dev_name(dev) : "");
            snprintf(out[n].buffer_type, sizeof(out[n].buffer_type), "%s", ggml_backend_buft_name(buft));
            out[n].model   = data.model;
            out[n].context = data.context;
            out[n].compute = data.compute;
        }
        n++;
    }
    return n;
}

// Tensors of the memory that a graph of the context reads or writes: llama.cpp calls them all cache_*.
static std::set<const ggml_tensor *> memory_tensors(ggml_cgraph * graph) {
    std::set<const ggml_tensor *> found;
    const auto look_at = [&](const ggml_tensor * t) {
        const ggml_tensor * root = t != nullptr && t->view_src != nullptr ? t->view_src : t;
        if (root != nullptr && strncmp(ggml_get_name(root), "cache_", 6) == 0 && root->buffer != nullptr) {
            found.insert(root);
        }
    };
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        look_at(node);
        for (const ggml_tensor * src : node->src) {
            look_at(src);
        }
    }
    return found;
}

// One cell per sequence, which is saved in one piece.
static bool is_recurrent(const ggml_tensor * t) {
    const char * name = ggml_get_name(t);
    return strncmp(name, "cache_r_", 8) == 0 || strncmp(name, "cache_s_", 8) == 0 || strncmp(name, "cache_ple_", 10) == 0;
}

bool memory_is_host(const llama_context * ctx) {
    for (const auto & [buft, data] : llama_get_memory_breakdown(ctx)) {
        if (data.context > 0 && !ggml_backend_buft_is_host(buft)) {
            return false;
        }
    }
    return true;
}

llama_sys_memory_rows memory_rows_of(llama_context * ctx, uint32_t n_seq_max, size_t * smallest) {
    std::map<ggml_backend_buffer_type_t, size_t> unseen;
    for (const auto & [buft, data] : llama_get_memory_breakdown(ctx)) {
        unseen[buft] = data.context;
    }
    const uint32_t n_tokens = std::min(llama_n_ctx(ctx), llama_n_ubatch(ctx));
    ggml_cgraph * graph = llama_graph_reserve(ctx, n_tokens, n_seq_max, n_tokens);
    if (graph == nullptr) {
        return LLAMA_SYS_ROWS_UNKNOWN;
    }
    bool whole = true;
    *smallest = SIZE_MAX;
    for (const ggml_tensor * t : memory_tensors(graph)) {
        ggml_backend_buffer_type_t buft = ggml_backend_buffer_get_type(t->buffer);
        const size_t alignment = ggml_backend_buft_get_alignment(buft);
        unseen[buft] -= GGML_PAD(ggml_backend_buft_get_alloc_size(buft, t), alignment);
        if (!is_recurrent(t)) {
            const size_t row = ggml_row_size(t->type, t->ne[0]);
            whole = whole && row % alignment == 0;
            *smallest = std::min(*smallest, row);
        }
    }
    for (const auto & [buft, size] : unseen) {
        if (size != 0) {
            return LLAMA_SYS_ROWS_UNKNOWN;
        }
    }
    return whole ? LLAMA_SYS_ROWS_WHOLE : LLAMA_SYS_ROWS_RAGGED;
}

bool memory_has_room(llama_context * ctx, size_t size, size_t bookkeeping) {
    void * volatile host = malloc(bookkeeping); // volatile, or the compiler assumes that it succeeds
    bool has_room = host != nullptr;
    free(host);
    for (const auto & [buft, data] : llama_get_memory_breakdown(ctx)) {
        if (data.context == 0 || !has_room) {
            continue;
        }
        ggml_backend_buffer_t buffer =
            size <= ggml_backend_buft_get_max_size(buft) ? ggml_backend_buft_alloc_buffer(buft, size) : nullptr;
        has_room = buffer != nullptr;
        ggml_backend_buffer_free(buffer);
    }
    return has_room;
}
