#include "probe.h"

#include "llama-model.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// Values that are encoded at once; the data repeats them.
constexpr int64_t N_RANDOM = 1 << 18;

// The buffer type of this number among those that a device has for weights: 0 is its own, others are those into which
// the CPU backend rearranges them. Null if there are not as many.
ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t device, uint32_t number) {
    if (number == 0) {
        return ggml_backend_dev_buffer_type(device);
    }
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device);
    const auto extra = reg == nullptr ? nullptr
        : (ggml_backend_dev_get_extra_bufts_t) ggml_backend_reg_get_proc_address(reg, "ggml_backend_dev_get_extra_bufts");
    ggml_backend_buffer_type_t * types = extra != nullptr ? extra(device) : nullptr;
    for (uint32_t i = 1; types != nullptr && *types != nullptr; i++, types++) {
        if (i == number) {
            return *types;
        }
    }
    return nullptr;
}

// Whether the device computes this node with weights in such a buffer; it looks at the buffer to tell.
bool is_supported(ggml_backend_dev_t device, ggml_tensor * node, ggml_tensor * weights, ggml_backend_buffer_type_t type) {
    ggml_backend_buffer_ptr empty(ggml_backend_buft_alloc_buffer(type, 0));
    weights->buffer = empty.get();
    const bool supported = ggml_backend_dev_supports_op(device, node);
    weights->buffer = nullptr;
    return supported;
}

std::vector<uint8_t> random_rows(ggml_type type, int64_t n_per_row, int64_t n_rows) {
    std::mt19937 generator(42);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    std::vector<float> values(n_per_row * n_rows);
    for (float & value : values) {
        value = normal(generator);
    }
    // Equal weights of all columns: some types are not encoded without any.
    const std::vector<float> importance(n_per_row, 1.0f);
    std::vector<uint8_t> rows(ggml_row_size(type, n_per_row) * n_rows);
    if (ggml_quantize_chunk(type, values.data(), rows.data(), 0, n_rows, n_per_row, importance.data()) != rows.size()) {
        throw std::runtime_error(std::string("ggml cannot encode ") + ggml_type_name(type));
    }
    return rows;
}

// Fills a tensor with random data. Memory that rearranges its content takes a whole tensor at a time.
void fill(ggml_tensor * t, bool whole) {
    const int64_t n_rows = std::clamp<int64_t>(N_RANDOM / t->ne[0], 1, ggml_nrows(t));
    std::vector<uint8_t> rows = random_rows(t->type, t->ne[0], n_rows);
    const size_t n_part = rows.size(), n_bytes = ggml_nbytes(t);
    // Few large writes rather than many small ones.
    const size_t n_most = whole ? n_bytes : std::min<size_t>(n_bytes, std::max<size_t>(n_part, (size_t) 64 << 20));
    rows.resize(n_most);
    for (size_t at = n_part; at < n_most; at++) {
        rows[at] = rows[at - n_part];
    }
    const size_t n_whole = whole ? n_bytes : n_most / n_part * n_part;
    for (size_t at = 0; at < n_bytes; at += n_whole) {
        ggml_backend_tensor_set(t, rows.data(), at, std::min(n_whole, n_bytes - at));
    }
}

void set_threads(ggml_backend_t backend, ggml_backend_dev_t device, uint32_t n_threads) {
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device);
    if (reg == nullptr || n_threads == 0) {
        return;
    }
    const auto set = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads");
    if (set != nullptr) {
        set(backend, (int) n_threads);
    }
}

} // namespace

llama_sys_probe::llama_sys_probe(ggml_backend_dev_t device, const llama_sys_probe_shape & shape) {
    if (shape.type < 0 || shape.type >= GGML_TYPE_COUNT || ggml_blck_size(shape.type) == 0 || shape.n_inner <= 0 ||
        shape.n_rows <= 0 || shape.n_nodes == 0 || shape.n_inner % ggml_blck_size(shape.type) != 0) {
        throw std::runtime_error("not a shape that can be computed");
    }
    ggml_backend_buffer_type_t type = buffer_type(device, shape.buffer);
    if (type == nullptr) {
        throw std::runtime_error("the device has no buffer type of this number");
    }
    const size_t n_nodes = shape.n_nodes;
    const size_t size    = (3 * n_nodes + 8) * ggml_tensor_overhead() + ggml_graph_overhead_custom(4 * n_nodes + 8, false);
    context.reset(ggml_init({ size, nullptr, /* no_alloc = */ true }));
    backend.reset(ggml_backend_dev_init(device, nullptr));
    if (!context || !backend) {
        throw std::runtime_error("no memory for a graph");
    }
    ggml_context * c       = context.get();
    ggml_tensor *  weights = ggml_new_tensor_2d(c, shape.type, shape.n_inner, shape.n_rows);
    ggml_tensor *  other   = shape.n_columns == 0 ? ggml_new_tensor_2d(c, shape.type, shape.n_inner, shape.n_rows)
                                                  : ggml_new_tensor_2d(c, GGML_TYPE_F32, shape.n_inner, shape.n_columns);
    graph = ggml_new_graph_custom(c, 4 * n_nodes + 8, false);
    std::vector<ggml_tensor *> nodes;
    for (size_t i = 0; i < n_nodes; i++) {
        nodes.push_back(shape.n_columns == 0 ? ggml_cpy(c, weights, other) : ggml_mul_mat(c, weights, other));
        ggml_build_forward_expand(graph, nodes.back());
    }
    if (!is_supported(device, nodes[0], weights, type)) {
        throw std::runtime_error(std::string("the device does not compute this with ") + ggml_type_name(shape.type));
    }
    weights_buffer.reset(ggml_backend_buft_alloc_buffer(type, ggml_backend_buft_get_alloc_size(type, weights)));
    if (!weights_buffer) {
        throw std::runtime_error("the device has no memory for it");
    }
    ggml_backend_buffer_set_usage(weights_buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    if (ggml_backend_tensor_alloc(weights_buffer.get(), weights, ggml_backend_buffer_get_base(weights_buffer.get())) !=
        GGML_STATUS_SUCCESS) {
        throw std::runtime_error("the device cannot place the weights");
    }
    buffer.reset(ggml_backend_alloc_ctx_tensors(c, backend.get()));
    if (!buffer) {
        throw std::runtime_error("the device has no memory for it");
    }
    set_threads(backend.get(), device, shape.n_threads);
    fill(weights, shape.buffer != 0);
    if (shape.n_columns != 0) {
        fill(other, false);
    } else {
        ggml_backend_buffer_clear(buffer.get(), 0); // each page is there before it is timed
    }
}

void llama_sys_probe::run() {
    if (ggml_backend_graph_compute(backend.get(), graph) != GGML_STATUS_SUCCESS) {
        throw std::runtime_error("the device could not compute it");
    }
    ggml_backend_synchronize(backend.get());
}

ggml_backend_dev_t model_tensor_device(const llama_model * model, uint32_t i) {
    if (i >= model->tensors_by_name.size()) {
        return nullptr;
    }
    const ggml_tensor *   t      = model->tensors_by_name[i].second;
    ggml_backend_buffer_t buffer = (t->view_src != nullptr ? t->view_src : t)->buffer;
    if (buffer == nullptr) {
        return nullptr;
    }
    ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(buffer);
    return ggml_backend_buft_is_host(type) ? ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)
                                           : ggml_backend_buft_get_device(type);
}
