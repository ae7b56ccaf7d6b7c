// Where the time of a decode goes. C++ alone, and these throw: shim.cpp has the functions that do not.
#pragma once

#include "shim.h"

int32_t strays_of_decode(llama_context * ctx, uint32_t n_tokens, bool all_outputs, llama_sys_stray * out, int32_t cap);

llama_sys_trace * trace_new(llama_context * ctx);
void              trace_begin(llama_sys_trace * trace, llama_sys_trace_stops stops);
uint32_t          trace_end(llama_sys_trace * trace);
bool              trace_stop(llama_sys_trace * trace, uint32_t i, llama_sys_trace_stop * out);
void              trace_free(llama_sys_trace * trace);
