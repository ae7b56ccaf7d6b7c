// What a graph reads, writes and computes, by where its tokens stand. C++ alone.
#pragma once

#include "llama-context.h"
#include "places.h"
#include "shim.h"

#include <map>
#include <stdexcept>
#include <string>
#include <tuple>

// The reason why the work of a test cannot be counted; the context is as good as before.
struct uncountable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct amount {
    uint64_t n   = 0; // nodes or tensors
    uint64_t sum = 0; // bytes or floating-point operations
};

// By what it is, device, operation and type.
using totals = std::map<std::tuple<llama_sys_cell_what, std::string, std::string, std::string>, amount>;

// The graph that a context's scheduler has just split, for physical batches of one shape.
class tally {
  public:
    // `n_seqs` sequences of equal length, as recurrent layers see them.
    tally(llama_context * ctx, ggml_cgraph * graph, uint32_t n_seqs);

    // Adds a physical batch at these places. Without outputs nothing is computed that only outputs need.
    void add_to(totals & to, const places & at, bool has_outputs) const;

    // What an amount is multiplied by.
    enum class by { one, cells, pairs, scores, slots };

    struct item {
        llama_sys_cell_what what;
        std::string device, op, type;
        bool for_outputs; // only outputs need it
        by measure;
        visibility to;  // of cells, pairs and scores
        int64_t size;   // of the cache, of slots
        uint64_t factor;

        bool operator<(const item & other) const;
    };

    std::map<item, uint64_t> items; // and how many there are
};
