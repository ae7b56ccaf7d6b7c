#include "rpc.h"

#include "ggml-cpp.h"
#include "ggml-rpc.h"

#include <stdexcept>

// ggml's RPC backend may be a library that is loaded at run time, or not be there: its functions are asked for by name.
using add_server_t   = ggml_backend_reg_t (*)(const char *);
using start_server_t = void (*)(const char *, const char *, size_t, size_t, ggml_backend_dev_t *);

template <typename F> static F function(const char * name) {
    ggml_backend_reg_t reg = ggml_backend_reg_by_name("RPC");
    return reg != nullptr ? reinterpret_cast<F>(ggml_backend_reg_get_proc_address(reg, name)) : nullptr;
}

bool has_rpc() {
    return function<add_server_t>("ggml_backend_rpc_add_server") != nullptr;
}

uint32_t rpc_version() {
    return RPC_PROTO_MAJOR_VERSION << 16 | RPC_PROTO_MINOR_VERSION << 8 | RPC_PROTO_PATCH_VERSION;
}

int32_t rpc_add_server(const char * endpoint, ggml_backend_dev_t * out, int32_t cap) {
    const auto add_server = function<add_server_t>("ggml_backend_rpc_add_server");
    if (add_server == nullptr) {
        throw std::runtime_error("llama.cpp was built without GGML_RPC");
    }
    ggml_backend_reg_t reg = add_server(endpoint);
    if (reg == nullptr) {
        return 0;
    }
    const int32_t n = static_cast<int32_t>(ggml_backend_reg_dev_count(reg));
    if (n > cap) {
        return n;
    }
    ggml_backend_register(reg);
    for (int32_t i = 0; i < n; i++) {
        out[i] = ggml_backend_reg_dev_get(reg, i);
    }
    return n;
}

void rpc_forget_graph(ggml_backend_dev_t device) {
    const size_t size = 2 * ggml_tensor_overhead() + ggml_graph_overhead_custom(8, false);
    ggml_backend_ptr backend(ggml_backend_dev_init(device, nullptr));
    ggml_context_ptr context(ggml_init({ size, nullptr, /* no_alloc = */ true }));
    if (!backend || !context) {
        throw std::runtime_error("no memory for a graph");
    }
    ggml_tensor * node  = ggml_scale(context.get(), ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 1), 1.0f);
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 8, false);
    ggml_build_forward_expand(graph, node);
    ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
    if (!buffer) {
        throw std::runtime_error("the device has no memory for a graph");
    }
    ggml_backend_graph_compute(backend.get(), graph);
}

void rpc_serve(const char * endpoint, const char * cache_dir, size_t n_threads, size_t n_devices,
               ggml_backend_dev_t * devices) {
    const auto start_server = function<start_server_t>("ggml_backend_rpc_start_server");
    if (start_server == nullptr) {
        throw std::runtime_error("llama.cpp was built without GGML_RPC");
    }
    start_server(endpoint, cache_dir, n_threads, n_devices, devices);
}

llama_sys_block::llama_sys_block(ggml_backend_dev_t device, size_t size) {
    backend = ggml_backend_dev_init(device, nullptr);
    context = ggml_init({ ggml_tensor_overhead(), nullptr, /* no_alloc = */ true });
    if (backend != nullptr && context != nullptr) {
        tensor = ggml_new_tensor_1d(context, GGML_TYPE_I8, static_cast<int64_t>(size));
        buffer = ggml_backend_alloc_ctx_tensors(context, backend);
    }
    if (buffer == nullptr) {
        release();
        throw std::runtime_error("the device has no memory for it");
    }
}

llama_sys_block::~llama_sys_block() {
    release();
}

void llama_sys_block::release() {
    if (buffer != nullptr) {
        ggml_backend_buffer_free(buffer);
    }
    if (context != nullptr) {
        ggml_free(context);
    }
    if (backend != nullptr) {
        ggml_backend_free(backend);
    }
}
