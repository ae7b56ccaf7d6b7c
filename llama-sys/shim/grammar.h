// Grammars, checked before llama.cpp gets them. C++ alone, and these throw: shim.cpp has the functions that do not.
#pragma once

#include "shim.h"

#include <cstdint>

uint32_t check_grammar(const llama_vocab * vocab, const char * grammar, const char * root);
