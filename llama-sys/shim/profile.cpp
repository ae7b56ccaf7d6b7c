#include "profile.h"

#include "blocks.h"
#include "llama-context.h"
#include "llama-model.h"
#include "work.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

static int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// A trace of one context: first it learns the graphs of a decode, then it stops where it is told to in decodes of the same
// graphs. All that a stop writes to is allocated before the decode begins.
struct llama_sys_trace {
    explicit llama_sys_trace(llama_context * ctx) : ctx(ctx) {}

    void begin(llama_sys_trace_stops at) {
        ctx->synchronize();
        stops = at;
        if (stops == LLAMA_SYS_STOPS_NONE) {
            graphs = traced_graphs();
        } else {
            n_expected = 0;
            for (const traced_node & node : graphs.nodes()) {
                n_expected += node.is_stop(stops) ? 1 : 0;
            }
            taken.clear();
            taken.reserve(n_expected);
        }
        next     = 0;
        is_begun = false;
        differs  = false;
        failed   = false;
        const llama_cparams & params = ctx->get_cparams();
        before      = params.cb_eval;
        before_data = params.cb_eval_user_data;
        set(look_at, this);
        is_on = true;
    }

    // Removes the callback, whatever happened in between.
    void leave() {
        if (is_on) {
            set(before, before_data);
            is_on = false;
        }
    }

    uint32_t end() {
        ctx->synchronize();
        leave();
        if (failed) {
            throw std::runtime_error("the graph could not be read");
        }
        if (stops == LLAMA_SYS_STOPS_NONE) {
            graphs.classify();
            return 0;
        }
        if (differs || next != graphs.nodes().size() || taken.size() != n_expected) {
            throw std::runtime_error("llama.cpp computed another graph than the one before");
        }
        return (uint32_t) taken.size();
    }

    bool stop(uint32_t i, llama_sys_trace_stop * out) const {
        if (i >= taken.size()) {
            return false;
        }
        const uint32_t first = i == 0 ? 0 : taken[i - 1].node + 1;
        graphs.describe(first, taken[i].node, out);
        out->begun_ns = taken[i].begun_ns;
        out->ended_ns = taken[i].ended_ns;
        return true;
    }

    ~llama_sys_trace() { leave(); }

  private:
    struct moment {
        uint32_t node;
        int64_t  begun_ns;
        int64_t  ended_ns;
    };

    // llama.cpp takes the callback from its parameters each time that it builds a graph.
    void set(ggml_backend_sched_eval_callback callback, void * data) {
        auto & params = const_cast<llama_cparams &>(ctx->get_cparams()); // the context itself is not const
        params.cb_eval           = callback;
        params.cb_eval_user_data = data;
        ggml_backend_sched_set_eval_callback(ctx->get_sched(), callback, data);
    }

    // Called by the scheduler, through C: nothing is thrown from here. It asks for each node, in order, and comes back
    // when one that was wanted is computed.
    static bool look_at(ggml_tensor * node, bool ask, void * self) {
        auto & to = *static_cast<llama_sys_trace *>(self);
        if (to.stops == LLAMA_SYS_STOPS_NONE) {
            if (ask) {
                try {
                    to.graphs.learn(to.ctx->get_sched(), node);
                } catch (...) {
                    to.failed = true;
                }
            }
            return !ask; // no node is wanted on its own: each split is computed in one piece
        }
        if (ask) {
            return to.asked(node);
        }
        to.taken.push_back({ to.next - 1, to.begun_ns, now_ns() });
        to.is_begun = false;
        return true;
    }

    bool asked(const ggml_tensor * node) {
        const auto & nodes = graphs.nodes();
        if (next >= nodes.size() || strcmp(nodes[next].name.c_str(), node->name) != 0) {
            differs = true;
            return false;
        }
        if (!is_begun) {
            is_begun = true;
            begun_ns = now_ns();
        }
        return nodes[next++].is_stop(stops) && !differs;
    }

    llama_context *       ctx;
    llama_sys_trace_stops stops = LLAMA_SYS_STOPS_NONE;
    traced_graphs         graphs;
    std::vector<moment>   taken;
    size_t                n_expected = 0;
    uint32_t              next       = 0;
    int64_t               begun_ns   = 0;
    bool                  is_begun   = false;
    bool                  differs    = false;
    bool                  failed     = false;
    bool                  is_on      = false;

    ggml_backend_sched_eval_callback before      = nullptr;
    void *                           before_data = nullptr;
};

int32_t strays_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_stray * out, int32_t cap) {
    const decode_graph decode(ctx, n_tokens, all_outputs);
    ggml_cgraph * graph = decode.graph;
    traced_graphs graphs;
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        graphs.learn(ctx->get_sched(), ggml_graph_node(graph, i));
    }
    ggml_backend_sched_reset(ctx->get_sched());
    graphs.classify();
    const llama_model & model   = ctx->get_model();
    const int32_t       n_layer = (int32_t) model.hparams.n_layer_all;
    int32_t n = 0;
    for (const traced_node & node : graphs.nodes()) {
        if (!node.is_computed || node.layer < 0 || node.layer >= n_layer) {
            continue;
        }
        const char * holder = ggml_backend_dev_name(model.dev_layer(node.layer));
        if (strcmp(holder, node.device) == 0) {
            continue;
        }
        if (n < cap) {
            const auto text = [](auto & to, const char * from) { snprintf(to, sizeof(to), "%s", from); };
            text(out[n].name, node.name.c_str());
            text(out[n].op, node.op);
            text(out[n].weights, node.weights.c_str());
            text(out[n].weights_at, node.weights_at);
            text(out[n].device, node.device);
            text(out[n].layer_device, holder);
            out[n].layer         = node.layer;
            out[n].weight_bytes  = node.weight_bytes;
            out[n].crossed_bytes = node.copied_bytes + node.taken_bytes;
        }
        n++;
    }
    return n;
}

llama_sys_trace * trace_new(llama_context * ctx) {
    return new llama_sys_trace(ctx);
}

void trace_begin(llama_sys_trace * trace, llama_sys_trace_stops stops) {
    trace->begin(stops);
}

uint32_t trace_end(llama_sys_trace * trace) {
    return trace->end();
}

bool trace_stop(llama_sys_trace * trace, uint32_t i, llama_sys_trace_stop * out) {
    return trace->stop(i, out);
}

void trace_free(llama_sys_trace * trace) {
    delete trace;
}
