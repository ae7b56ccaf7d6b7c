// The buffers in which a context keeps weights, memory and results. C++ alone, and these throw: shim.cpp has the functions
// that do not, and shim.h says what they return.
#pragma once

#include "shim.h"

int32_t memory_breakdown(const llama_context * ctx, llama_sys_memory * out, int32_t cap);

bool memory_is_host(const llama_context * ctx);

llama_sys_memory_rows memory_rows_of(llama_context * ctx, uint32_t n_seq_max, size_t * smallest);

bool memory_has_room(llama_context * ctx, size_t size, size_t bookkeeping);
