// Moving what a memory holds. C++ alone, and these throw: shim.cpp has the functions that do not.
#pragma once

#include "shim.h"

bool can_shift(const llama_context * ctx);

bool shift_now(llama_context * ctx);
