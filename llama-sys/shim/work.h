// The graphs that a context computes, counted. C++ alone, and these throw: shim.cpp has the functions that do not.
#pragma once

#include "llama-context.h"
#include "shim.h"

// The graph that decodes `n_tokens` tokens, built and split as llama.cpp does it for a full memory, not computed. Whoever
// has read it resets the scheduler.
struct decode_graph {
    decode_graph(llama_context * ctx, uint32_t n_tokens, bool all_outputs);

    llama_memory_context_ptr memory;
    ggml_cgraph *            graph;
};

int32_t work_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_work_part * out, int32_t cap,
                       uint32_t * n_splits);

int32_t work_of_encode(llama_context * ctx, llama_batch batch, llama_sys_work_part * out, int32_t cap,
                       uint32_t * n_splits);
