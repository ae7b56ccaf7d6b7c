// Devices of other machines. C++ alone, and these throw: shim.cpp has the functions that do not.
#pragma once

#include "shim.h"

bool has_rpc();

uint32_t rpc_version();

int32_t rpc_add_server(const char * endpoint, ggml_backend_dev_t * out, int32_t cap);

void rpc_forget_graph(ggml_backend_dev_t device);

void rpc_serve(const char * endpoint, const char * cache_dir, size_t n_threads, size_t n_devices,
               ggml_backend_dev_t * devices);

struct llama_sys_block {
    llama_sys_block(ggml_backend_dev_t device, size_t size);
    ~llama_sys_block();
    llama_sys_block(const llama_sys_block &) = delete;
    llama_sys_block & operator=(const llama_sys_block &) = delete;

    // Keeps the connection: without one, a client of a server connects again for every question.
    ggml_backend_t        backend = nullptr;
    ggml_context *        context = nullptr;
    ggml_backend_buffer_t buffer  = nullptr;
    ggml_tensor *         tensor  = nullptr;

  private:
    void release();
};
