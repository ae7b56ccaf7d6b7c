// The blocks of a model, found in the graphs that it computes: from the weights and memories that a node reads, then from
// the names that llama.cpp gives to nodes. A node that neither identifies belongs to the next identified one.
#pragma once

#include "ggml-backend.h"
#include "shim.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

// What one node says by itself.
struct block_hint {
    enum kind {
        NOTHING,  // belongs to what follows
        PREVIOUS, // ends the block before
        BLOCK,    // of `block`
    };

    kind                  is    = NOTHING;
    llama_sys_trace_block block = LLAMA_SYS_BLOCK_OTHER;
    int32_t               layer = -1; // -1 if it does not say
};

block_hint hint_of(const ggml_tensor * node);

// A node of a graph that was computed.
struct traced_node {
    std::string name;
    std::string type;
    std::string weights; // name of the weights that it reads, "" if it reads none
    const char * weights_at = ""; // buffer type of those weights
    const char * op     = "";
    const char * device = "";
    const char * source = ""; // where its operands were copied from, "" if none were
    uint64_t bytes        = 0;
    uint64_t weight_bytes = 0;
    uint64_t copied_bytes = 0;
    uint64_t taken_bytes  = 0; // of its result, that other devices copy
    uint32_t graph        = 0;
    block_hint hint;
    llama_sys_trace_block block = LLAMA_SYS_BLOCK_OTHER;
    int32_t layer        = -1;
    bool is_computed     = false;
    bool ends_operation  = false;
    bool ends_block      = false;
    bool ends_layer      = false;

    bool is_stop(llama_sys_trace_stops stops) const;
};

// The graphs of a decode, node by node in the order of their computation.
class traced_graphs {
  public:
    // Takes the next node that the scheduler asks for.
    void learn(ggml_backend_sched_t sched, const ggml_tensor * node);

    // Gives every node its block and finds where blocks end.
    void classify();

    // Describes the nodes from `first` to `last`, the last of which was stopped at.
    void describe(uint32_t first, uint32_t last, llama_sys_trace_stop * out) const;

    const std::vector<traced_node> & nodes() const { return all; }

  private:
    std::vector<traced_node> all;
    std::set<const ggml_tensor *> copies; // of the present graph, that a node has read
    uint32_t n_graphs = 0;
};
