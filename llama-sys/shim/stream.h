// Streams of the C library whose bytes come from functions.
#pragma once

#include "shim.h"

#include <cstdio>

// Whether there are such streams here.
bool has_streams();

// A stream for reading, through this buffer; null if there are no streams here or no memory.
FILE * open_stream(llama_sys_stream * stream, char * buffer, size_t size);
