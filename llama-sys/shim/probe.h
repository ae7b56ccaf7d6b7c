// The same work over and over on one device, to find what it can do at most. C++ alone, and these throw: shim.cpp has the
// functions that do not.
#pragma once

#include "ggml-cpp.h"
#include "shim.h"

struct llama_sys_probe {
    llama_sys_probe(ggml_backend_dev_t device, const llama_sys_probe_shape & shape);
    llama_sys_probe(const llama_sys_probe &) = delete;
    llama_sys_probe & operator=(const llama_sys_probe &) = delete;

    // Computes the graph and waits for it.
    void run();

  private:
    ggml_backend_ptr        backend;
    ggml_context_ptr        context;
    ggml_backend_buffer_ptr weights_buffer;
    ggml_backend_buffer_ptr buffer;
    ggml_cgraph *           graph = nullptr;
};

// The device whose memory holds a tensor of a model; null if there is none. Memory that a device shares with the host is
// the host's.
ggml_backend_dev_t model_tensor_device(const llama_model * model, uint32_t i);
