// What llama.cpp knows of a loaded model and of a context and does not show in C. Nothing here throws.
#pragma once

#include "shim.h"

int32_t flash_attn(const llama_context * ctx);

void model_params(const llama_model * model, llama_model_params * out);

void model_facts(const llama_model * model, llama_sys_model_facts * out);

uint32_t model_devices(const llama_model * model, ggml_backend_dev_t * out, uint32_t cap);

bool model_tensor(const llama_model * model, uint32_t i, llama_sys_model_tensor * out);
