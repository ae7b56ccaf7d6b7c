// Which functions this thread is in.
#pragma once

// Where a failed assertion may be thrown: through frames of ggml's C code, which have unwind tables on these targets
// whether or not exceptions are enabled for C. Elsewhere it ends the process, as llama.cpp has it.
#if defined(__GNUC__) && (defined(__ELF__) || defined(__APPLE__)) && (defined(__x86_64__) || defined(__aarch64__))
#define CAN_THROW_FROM_C 1

// The CPU backend is computing a graph between here and the frame `catcher`.
bool is_computing(const void * catcher);
#endif
