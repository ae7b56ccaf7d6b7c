#include "work.h"

#include "nodes.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>

// Name of the buffer type of the weights among the two operands of a node, "" if there are none. Further sources, such
// as the sinks of attention, are small.
static std::string weights_of(const ggml_tensor * node) {
    for (const ggml_tensor * src : { node->src[0], node->src[1] }) {
        const ggml_tensor * root = src != nullptr && src->view_src != nullptr ? src->view_src : src;
        if (root != nullptr && root->buffer != nullptr &&
            ggml_backend_buffer_get_usage(root->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS) {
            return ggml_backend_buft_name(ggml_backend_buffer_get_type(root->buffer));
        }
    }
    return "";
}

namespace {

struct counter {
    explicit counter(ggml_backend_sched_t sched) : sched(sched) {}

    // Takes a node of a graph that the scheduler has split, in the order of the graph.
    void add(ggml_tensor * node) {
        ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(sched, node);
        if (backend == nullptr) {
            throw std::runtime_error(std::string("the scheduler has no backend for ") + node->name);
        }
        const std::string device = device_of(backend);
        places[node->name] = device;
        if (!is_computed(node)) {
            return;
        }
        nodes[{ ggml_op_desc(node), type_of(node), device, weights_of(node) }]++;
        for (const ggml_tensor * src : node->src) {
            const std::string of = src != nullptr ? copied_from(src, backend) : "";
            if (of.empty() || !seen.insert(src).second) {
                continue;
            }
            const auto place = places.find(of);
            // What no node made is an input or a weight in host memory.
            copies[{ place != places.end() ? place->second : host(), device }].add(src);
        }
    }

    // Takes the tensor that the host reads when all is computed.
    void result(ggml_tensor * node) {
        const auto place = places.find(node->name);
        if (place != places.end() && place->second != host()) {
            results[place->second].add(node);
        }
    }

    int32_t write(llama_sys_work_part * out, int32_t cap) const {
        int32_t n = 0;
        const auto put = [&](const std::string & op, const std::string & type, const std::string & device,
                             const std::string & source, uint32_t count, uint64_t bytes) {
            if (n < cap) {
                snprintf(out[n].op, sizeof(out[n].op), "%s", op.c_str());
                snprintf(out[n].type, sizeof(out[n].type), "%s", type.c_str());
                snprintf(out[n].device, sizeof(out[n].device), "%s", device.c_str());
                snprintf(out[n].source, sizeof(out[n].source), "%s", source.c_str());
                out[n].n = count;
                out[n].bytes = bytes;
            }
            n++;
        };
        for (const auto & [node, count] : nodes) {
            const auto & [op, type, device, weights] = node;
            put(op, type, device, weights, count, 0);
        }
        for (const auto & [copy, count] : copies) {
            put("", "", copy.second, copy.first, count.n, count.bytes);
        }
        for (const auto & [device, count] : results) {
            put("", "result", host(), device, count.n, count.bytes);
        }
        return n;
    }

    // Called by the scheduler, through C: nothing is thrown from here.
    static bool look_at(ggml_tensor * node, bool ask, void * self) {
        auto & to = *static_cast<counter *>(self);
        if (ask) {
            try {
                to.add(node);
            } catch (...) {
                to.failed = true;
            }
        }
        return !ask; // no node is wanted on its own: each split is computed in one piece
    }

    bool failed = false;

  private:
    struct tensors {
        uint32_t n     = 0;
        uint64_t bytes = 0;

        void add(const ggml_tensor * tensor) {
            n++;
            bytes += ggml_nbytes(tensor);
        }
    };

    std::string host() const {
        return device_of(ggml_backend_sched_get_backend(sched, ggml_backend_sched_get_n_backends(sched) - 1));
    }

    ggml_backend_sched_t sched;
    std::map<std::tuple<std::string, std::string, std::string, std::string>, uint32_t> nodes;
    std::map<std::pair<std::string, std::string>, tensors> copies;
    std::map<std::string, tensors> results;
    std::map<std::string, std::string> places;
    std::set<const ggml_tensor *> seen;
};

// A callback of the context's scheduler for as long as this lives. llama.cpp takes it from its parameters each time that
// it builds a graph.
struct traced {
    traced(llama_context * ctx, counter & to) : ctx(ctx) { set(counter::look_at, &to); }
    ~traced() { set(nullptr, nullptr); }

    void set(ggml_backend_sched_eval_callback callback, void * data) {
        auto & params = const_cast<llama_cparams &>(ctx->get_cparams()); // the context itself is not const
        params.cb_eval           = callback;
        params.cb_eval_user_data = data;
        ggml_backend_sched_set_eval_callback(ctx->get_sched(), callback, data);
    }

    llama_context * ctx;
};

} // namespace

decode_graph::decode_graph(llama_context * ctx, uint32_t n_tokens, bool all_outputs) {
    ctx->synchronize();
    ctx->sched_reserve();
    if (ctx->get_memory() != nullptr) {
        memory = ctx->get_memory()->init_full();
    }
    // As llama.cpp reserves its own graphs: over all sequences, with one output each unless all tokens have one.
    const uint32_t n_seqs    = ctx->n_seq_max();
    const uint32_t n_most    = std::min(ctx->n_ctx(), ctx->n_ubatch());
    const uint32_t n_graph   = std::max(n_seqs, std::min(n_tokens, n_most));
    const uint32_t n_outputs = all_outputs ? n_graph : n_seqs;
    graph = ctx->graph_reserve(n_graph, n_seqs, n_outputs, memory.get(), /* split_only = */ true);
    if (graph == nullptr) {
        throw std::runtime_error("llama.cpp built no graph");
    }
}

int32_t work_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_work_part * out, int32_t cap,
                       uint32_t * n_splits) {
    const decode_graph decode(ctx, n_tokens, all_outputs);
    ggml_cgraph * graph = decode.graph;
    counter found(ctx->get_sched());
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        found.add(ggml_graph_node(graph, i));
    }
    // llama.cpp lets a graph end in what it is built for.
    if (ggml_graph_n_nodes(graph) > 0) {
        found.result(ggml_graph_node(graph, -1));
    }
    *n_splits = ggml_backend_sched_get_n_splits(ctx->get_sched());
    ggml_backend_sched_reset(ctx->get_sched());
    return found.write(out, cap);
}

int32_t work_of_encode(llama_context * ctx, llama_batch batch, llama_sys_work_part * out, int32_t cap,
                       uint32_t * n_splits) {
    ctx->synchronize();
    ctx->sched_reserve();
    counter found(ctx->get_sched());
    {
        traced trace(ctx, found);
        if (llama_encode(ctx, batch) != 0) {
            throw std::runtime_error("llama_encode failed");
        }
        ctx->synchronize();
    }
    if (found.failed) {
        throw std::runtime_error("the graph could not be read");
    }
    *n_splits = ggml_backend_sched_get_n_splits(ctx->get_sched());
    return found.write(out, cap);
}
