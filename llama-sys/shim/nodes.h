// What is asked of the nodes of any graph. C++ alone.
#pragma once

#include "ggml-backend.h"

#include <cstring>
#include <string>

// Nodes that only name a part of another tensor.
inline bool is_view(ggml_op op) {
    return op == GGML_OP_NONE || op == GGML_OP_VIEW || op == GGML_OP_RESHAPE || op == GGML_OP_PERMUTE || op == GGML_OP_TRANSPOSE;
}

// A graph names nodes that only another input of the model would need: backends leave those out.
inline bool is_computed(const ggml_tensor * node) {
    return !is_view(node->op) && (node->flags & GGML_TENSOR_FLAG_COMPUTE) != 0;
}

// The name of the device behind a backend, which lives as long as the backend.
inline const char * device_of(ggml_backend_t backend) {
    ggml_backend_dev_t device = ggml_backend_get_device(backend);
    return device != nullptr ? ggml_backend_dev_name(device) : ggml_backend_name(backend);
}

// The type that decides which kernel runs: of keys and values, of what is written, else of the first operand.
inline std::string type_of(const ggml_tensor * node) {
    switch (node->op) {
        case GGML_OP_FLASH_ATTN_EXT: {
            const char * k = ggml_type_name(node->src[1]->type);
            const char * v = ggml_type_name(node->src[2]->type);
            return strcmp(k, v) == 0 ? std::string(k) : std::string(k) + "/" + v;
        }
        case GGML_OP_SET_ROWS:
        case GGML_OP_CPY:
        case GGML_OP_DUP:
            return ggml_type_name(node->type);
        default:
            return ggml_type_name(node->src[0] != nullptr ? node->src[0]->type : node->type);
    }
}

// The name of the tensor that the scheduler copied to this backend, "" if `src` is not such a copy. The scheduler names a
// copy after the backend that it is for and the tensor that it is of.
inline std::string copied_from(const ggml_tensor * src, ggml_backend_t backend) {
    if (src->op != GGML_OP_NONE || strchr(src->name, '#') == nullptr) {
        return "";
    }
    const std::string prefix = std::string(ggml_backend_name(backend)) + "#";
    if (strncmp(src->name, prefix.c_str(), prefix.size()) != 0) {
        return "";
    }
    const std::string rest(src->name + prefix.size());
    return rest.substr(0, rest.rfind('#'));
}
