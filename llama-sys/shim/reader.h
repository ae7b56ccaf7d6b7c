// Reads a graph into a tally. C++ alone.
#pragma once

#include "tally.h"

#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

class reader {
  public:
    reader(llama_context * ctx, ggml_cgraph * graph, uint32_t n_seqs, tally & to);

    void read();

  private:
    // A tensor of the context's memory, by its name, such as cache_k_l7.
    struct cell_tensor {
        char kind; // 'k', 'v', or 's' for recurrent states
        int32_t il;
    };

    struct weight_use {
        uint64_t bytes;
        bool for_outputs;
    };

    void find_outputs();
    void find_scores();
    void read_node(const ggml_tensor * node);
    void read_weight(const ggml_tensor * node, int j, const ggml_tensor * part, const ggml_tensor * root);
    void read_memory(const ggml_tensor * node, const ggml_tensor * root);
    void read_copy(const ggml_tensor * node, int j, const ggml_tensor * copy);
    void write_memory(const ggml_tensor * node, const ggml_tensor * root);
    void read_cells(const ggml_tensor * node, const ggml_tensor * src, int64_t n_per_cell);
    void flash_attention(const ggml_tensor * node);
    void scores(const ggml_tensor * node);
    void values(const ggml_tensor * node);
    void product(const ggml_tensor * node, const std::string & type, tally::by by, visibility to, uint64_t factor);
    void arithmetic(const ggml_tensor * node);
    void result(const ggml_tensor * node);
    void put(llama_sys_cell_what what, const ggml_tensor * node, tally::by by, visibility to, int64_t size, uint64_t factor,
             const std::string & op = "", const std::string & type = "");

    // What the scheduler made a copy of, else the tensor itself.
    const ggml_tensor * original(const ggml_tensor * src) const;
    // The tensor that a view lies in, through copies of the scheduler.
    const ggml_tensor * root_of(const ggml_tensor * src) const;
    // The same through nodes that only convert or move what they read.
    const ggml_tensor * origin_of(const ggml_tensor * src) const;
    bool is_weight(const ggml_tensor * root) const;
    bool is_memory(const ggml_tensor * root) const;
    cell_tensor named(const ggml_tensor * root) const;
    visibility seen_by(const ggml_tensor * keys) const;
    // The dimension of a source along which cells lie, -1 if it has none.
    int cells_dimension(const ggml_tensor * node, int j) const;
    // The keys of the attention that a node is part of, null if they are not in memory.
    const ggml_tensor * keys_of(const ggml_tensor * node) const;
    const std::string & device(const ggml_tensor * node) const;

    llama_context * ctx;
    ggml_cgraph * graph;
    uint32_t n_seqs;
    tally & to;

    std::unordered_set<const ggml_tensor *> weights;
    std::unordered_map<std::string, const ggml_tensor *> named_tensors;
    std::unordered_map<const ggml_tensor *, std::string> devices;
    std::unordered_map<const ggml_tensor *, ggml_backend_t> backends;
    std::unordered_set<const ggml_tensor *> for_outputs;
    // Without flash attention: what computes scores, what they pass through, and the softmax at the end.
    std::unordered_set<const ggml_tensor *> score_products, score_results;
    std::unordered_map<const ggml_tensor *, const ggml_tensor *> softmaxes; // and their product
    std::set<const ggml_tensor *> copies;
    // Copies of keys and values that no attention has read yet.
    std::set<const ggml_tensor *> converted;
    std::map<std::tuple<std::string, const ggml_tensor *, size_t, uint64_t>, weight_use> uses;
    std::set<std::tuple<std::string, const ggml_tensor *, visibility>> read_already;
    std::set<std::pair<std::string, const ggml_tensor *>> states;
};
