// The graphs of a test at a depth, counted. C++ alone, and this throws: shim.cpp has the function that does not.
#pragma once

#include "shim.h"

int32_t cell_work_of(llama_context * ctx, const llama_sys_cell_test & test, llama_sys_cell_part * out, int32_t cap,
                     uint32_t * n_graphs);
