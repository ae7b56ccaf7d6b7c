#include "reader.h"

#include "llama-model.h"
#include "nodes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using by = tally::by;

static uint64_t bytes_of(ggml_type type, const ggml_tensor * t) {
    return ggml_row_size(type, t->ne[0]) * t->ne[1] * t->ne[2] * t->ne[3];
}

// The mean number of distinct experts that `n_tokens` tokens choose, `n_used` each, if all are equally likely.
static double n_distinct(int64_t n_experts, int64_t n_used, int64_t n_tokens) {
    if (n_tokens == 1) {
        return std::min(n_used, n_experts);
    }
    return n_experts * (1.0 - std::pow(1.0 - (double) n_used / n_experts, n_tokens));
}

reader::reader(llama_context * ctx, ggml_cgraph * graph, uint32_t n_seqs, tally & to)
    : ctx(ctx), graph(graph), n_seqs(n_seqs), to(to) {
    for (const auto & [name, tensor] : ctx->get_model().tensors_by_name) {
        weights.insert(tensor);
        named_tensors[name] = tensor;
    }
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        ggml_tensor * node     = ggml_graph_node(graph, i);
        ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(ctx->get_sched(), node);
        if (backend == nullptr) {
            throw std::runtime_error(std::string("the scheduler has no backend for ") + node->name);
        }
        named_tensors[node->name] = node;
        devices[node]             = device_of(backend);
        backends[node]            = backend;
    }
}

void reader::read() {
    find_outputs();
    find_scores();
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (is_computed(node) && !ggml_is_empty(node)) {
            read_node(node);
        }
    }
    if (!converted.empty()) {
        throw uncountable(std::string((*converted.begin())->name) + " reads the cache, and no attention reads it");
    }
    for (const auto & [key, use] : uses) {
        const auto & [device, root, offset, bytes] = key;
        to.items[{ LLAMA_SYS_CELL_WEIGHTS, device, "", "", use.for_outputs, by::one, {}, 0, bytes }]++;
    }
}

// llama.cpp keeps the rows of outputs by their number; what follows is computed for these alone.
void reader::find_outputs() {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        for (const ggml_tensor * src : node->src) {
            if (src == nullptr || src == node) {
                continue;
            }
            const std::string copied = copied_from(src, backends.at(node));
            if (for_outputs.count(original(src)) != 0 || strcmp(src->name, "out_ids") == 0 || copied == "out_ids") {
                for_outputs.insert(node);
            }
        }
    }
}

// Without flash attention: products of keys that a softmax ends.
void reader::find_scores() {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * softmax = ggml_graph_node(graph, i);
        if (softmax->op != GGML_OP_SOFT_MAX) {
            continue;
        }
        std::vector<const ggml_tensor *> passed = { softmax };
        const ggml_tensor * from = original(softmax->src[0]);
        while (from->op == GGML_OP_SCALE || from->op == GGML_OP_UNARY || from->op == GGML_OP_ADD ||
               (is_view(from->op) && from->op != GGML_OP_NONE)) {
            passed.push_back(from);
            from = original(from->src[0]);
        }
        // That of a router is over weights.
        if (from->op == GGML_OP_MUL_MAT && !is_weight(root_of(from->src[0]))) {
            score_products.insert(from);
            softmaxes[softmax] = from;
            passed.push_back(from);
            score_results.insert(passed.begin(), passed.end());
        }
    }
}

void reader::read_node(const ggml_tensor * node) {
    for (int j = 0; j < GGML_MAX_SRC; j++) {
        const ggml_tensor * src = node->src[j];
        if (src == nullptr || src == node) {
            continue;
        }
        if (!copied_from(src, backends.at(node)).empty() && copies.insert(src).second) {
            read_copy(node, j, src);
        }
        const ggml_tensor * root = root_of(src);
        if (is_weight(root)) {
            read_weight(node, j, original(src), root);
        } else if (is_memory(root) && root != root_of(node)) {
            read_memory(node, root);
        }
    }
    if (is_memory(root_of(node))) {
        write_memory(node, root_of(node));
    }
    arithmetic(node);
    result(node);
}

void reader::read_weight(const ggml_tensor * node, int j, const ggml_tensor * part, const ggml_tensor * root) {
    uint64_t bytes = bytes_of(part->type, part);
    if (node->op == GGML_OP_MUL_MAT_ID && j == 0) {
        const ggml_tensor * ids = node->src[2];
        bytes = std::llround(n_distinct(part->ne[2], ids->ne[0], ids->ne[1]) *
                             (double) (ggml_row_size(part->type, part->ne[0]) * part->ne[1]));
    } else if (node->op == GGML_OP_ADD_ID && j == 1) {
        const ggml_tensor * ids = node->src[2];
        bytes = std::llround(n_distinct(part->ne[1], ids->ne[0], ids->ne[1]) * (double) ggml_row_size(part->type, part->ne[0]));
    } else if (node->op == GGML_OP_GET_ROWS && j == 0) {
        bytes = std::min<uint64_t>(bytes, ggml_nelements(node->src[1]) * ggml_row_size(part->type, part->ne[0]));
    }
    const bool only_outputs = for_outputs.count(node) != 0;
    const auto [use, is_new] = uses.insert({ { device(node), root, part->view_offs, bytes }, { bytes, only_outputs } });
    use->second.for_outputs &= only_outputs;
}

void reader::read_memory(const ggml_tensor * node, const ggml_tensor * root) {
    if (named(root).kind == 's') {
        if (states.insert({ device(node), root }).second) {
            // Read once and written once.
            put(LLAMA_SYS_CELL_STATE, node, by::one, {}, 0, 2 * n_seqs * ggml_row_size(root->type, root->ne[0]));
        }
        return;
    }
    switch (node->op) {
        case GGML_OP_FLASH_ATTN_EXT:
        case GGML_OP_SET_ROWS:
            return;
        case GGML_OP_MUL_MAT:
            if (score_products.count(node) != 0 || softmaxes.count(origin_of(node->src[1])) != 0) {
                return;
            }
            break;
        case GGML_OP_CPY:
        case GGML_OP_CONT:
            converted.insert(node);
            return;
        default:
            break;
    }
    throw uncountable(std::string(ggml_op_desc(node)) + " reads " + root->name + ", which only attention is known to do");
}

void reader::write_memory(const ggml_tensor * node, const ggml_tensor * root) {
    if (named(root).kind == 's') {
        return; // with what is read of it
    }
    if (node->op != GGML_OP_SET_ROWS && node->op != GGML_OP_CPY) {
        throw uncountable(std::string(ggml_op_desc(node)) + " writes " + root->name);
    }
    put(LLAMA_SYS_CELL_KV_WRITE, node, by::one, {}, 0, ggml_row_size(root->type, ggml_nelements(node->src[0])));
}

void reader::read_copy(const ggml_tensor * node, int j, const ggml_tensor * copy) {
    const ggml_tensor * root = root_of(copy);
    if (is_weight(root) && node->op == GGML_OP_MUL_MAT_ID && j == 0) {
        // Of experts in host memory the scheduler copies those that are used.
        const ggml_tensor * ids = node->src[2];
        const double share = n_distinct(copy->ne[2], ids->ne[0], ids->ne[1]) / copy->ne[2];
        put(LLAMA_SYS_CELL_COPIED, node, by::one, {}, 0, std::llround(share * bytes_of(copy->type, copy)));
        return;
    }
    const int along = cells_dimension(node, j);
    const ggml_tensor * keys = along >= 0 ? keys_of(node) : nullptr;
    if (keys != nullptr) {
        put(LLAMA_SYS_CELL_COPIED, node, by::slots, {}, keys->ne[1], bytes_of(copy->type, copy) / copy->ne[along]);
        return;
    }
    if (is_memory(root) && named(root).kind != 's') {
        throw uncountable(std::string(root->name) + " is copied between devices");
    }
    put(LLAMA_SYS_CELL_COPIED, node, by::one, {}, 0, bytes_of(copy->type, copy));
}

// Keys or values: each cell once per graph, however many layers read them.
void reader::read_cells(const ggml_tensor * node, const ggml_tensor * src, int64_t n_per_cell) {
    const ggml_tensor * root = origin_of(src);
    if (!is_memory(root)) {
        return;
    }
    const visibility seen = seen_by(root);
    for (const ggml_tensor * at = root_of(src); at != root; at = root_of(at->src[0])) {
        if (converted.erase(at) != 0) {
            put(LLAMA_SYS_CELL_ACTIVATION, at, by::cells, seen, 0, ggml_row_size(at->type, n_per_cell));
        }
    }
    if (read_already.insert({ device(node), root, seen }).second) {
        put(LLAMA_SYS_CELL_KV_READ, node, by::cells, seen, 0, ggml_row_size(root->type, n_per_cell));
    }
}

void reader::flash_attention(const ggml_tensor * node) {
    const ggml_tensor * q = node->src[0];
    const ggml_tensor * k = node->src[1];
    const ggml_tensor * v = node->src[2];
    const ggml_tensor * keys = keys_of(node);
    read_cells(node, k, k->ne[0] * k->ne[2]);
    read_cells(node, v, v->ne[0] * v->ne[2]);
    const std::string type_k = ggml_type_name(keys != nullptr ? keys->type : k->type);
    const std::string type_v = ggml_type_name(keys != nullptr ? origin_of(v)->type : v->type);
    product(node, type_k == type_v ? type_k : type_k + "/" + type_v, by::pairs, seen_by(keys),
            2 * q->ne[2] * (k->ne[0] + v->ne[0]));
}

void reader::scores(const ggml_tensor * node) {
    const ggml_tensor * k = node->src[0];
    read_cells(node, k, k->ne[0] * k->ne[2]);
    const ggml_tensor * keys = keys_of(node);
    product(node, ggml_type_name(keys != nullptr ? keys->type : k->type), by::pairs, seen_by(keys), 2 * k->ne[0] * node->ne[2]);
}

void reader::values(const ggml_tensor * node) {
    const ggml_tensor * v = node->src[0];
    read_cells(node, v, v->ne[1] * v->ne[2]);
    const ggml_tensor * keys = keys_of(node);
    product(node, ggml_type_name(keys != nullptr ? origin_of(v)->type : v->type), by::pairs, seen_by(keys),
            2 * v->ne[1] * node->ne[2]);
}

void reader::product(const ggml_tensor * node, const std::string & type, by measure, visibility seen, uint64_t factor) {
    put(LLAMA_SYS_CELL_PRODUCT, node, measure, seen, 0, factor, ggml_op_name(node->op), type);
}

// A product with a Hadamard matrix, which queries, keys and values go through if the cache is quantised. Backends compute it by
// additions alone, log2 of a row's length for each number.
static bool is_rotation(const ggml_tensor * product) {
    const int32_t hint = product->op_params[1]; // by ggml_mul_mat_set_hint
    return hint == GGML_HINT_SRC0_IS_HADAMARD;
}

// A multiplication and an addition count as two.
void reader::arithmetic(const ggml_tensor * node) {
    const ggml_tensor * a = node->src[0];
    switch (node->op) {
        case GGML_OP_FLASH_ATTN_EXT:
            return flash_attention(node);
        case GGML_OP_MUL_MAT:
            if (score_products.count(node) != 0) {
                return scores(node);
            }
            if (softmaxes.count(origin_of(node->src[1])) != 0) {
                return values(node);
            }
            if (is_rotation(node)) {
                return;
            }
            return product(node, ggml_type_name(a->type), by::one, {}, 2 * a->ne[0] * ggml_nelements(node));
        case GGML_OP_MUL_MAT_ID:
            return product(node, ggml_type_name(a->type), by::one, {}, 2 * a->ne[0] * ggml_nelements(node));
        case GGML_OP_OUT_PROD:
            return product(node, ggml_type_name(a->type), by::one, {}, 2 * a->ne[1] * ggml_nelements(node));
        case GGML_OP_SSM_CONV:
            return product(node, ggml_type_name(node->src[1]->type), by::one, {}, 2 * node->src[1]->ne[0] * ggml_nelements(node));
        case GGML_OP_SSM_SCAN:
            // For each number of the state: it decays, takes in the token (2), and is summed into the output (2).
            return product(node, ggml_type_name(a->type), by::one, {}, 5 * a->ne[0] * ggml_nelements(node->src[1]));
        case GGML_OP_DUP: case GGML_OP_ADD: case GGML_OP_ADD_ID: case GGML_OP_ADD1: case GGML_OP_ACC: case GGML_OP_SUB:
        case GGML_OP_MUL: case GGML_OP_DIV: case GGML_OP_SQR: case GGML_OP_SQRT: case GGML_OP_LOG: case GGML_OP_SIN:
        case GGML_OP_COS: case GGML_OP_SUM: case GGML_OP_SUM_ROWS: case GGML_OP_CUMSUM: case GGML_OP_MEAN:
        case GGML_OP_ARGMAX: case GGML_OP_REPEAT: case GGML_OP_CONCAT: case GGML_OP_NORM: case GGML_OP_RMS_NORM:
        case GGML_OP_GROUP_NORM: case GGML_OP_L2_NORM: case GGML_OP_SCALE: case GGML_OP_SET: case GGML_OP_CPY:
        case GGML_OP_CONT: case GGML_OP_GET_ROWS: case GGML_OP_SET_ROWS: case GGML_OP_DIAG: case GGML_OP_DIAG_MASK_INF:
        case GGML_OP_DIAG_MASK_ZERO: case GGML_OP_SOFT_MAX: case GGML_OP_ROPE: case GGML_OP_CLAMP: case GGML_OP_IM2COL:
        case GGML_OP_PAD: case GGML_OP_ROLL: case GGML_OP_ARANGE: case GGML_OP_ARGSORT: case GGML_OP_TOP_K:
        case GGML_OP_LEAKY_RELU: case GGML_OP_TRI: case GGML_OP_FILL: case GGML_OP_UNARY: case GGML_OP_GLU:
            return; // a few operations for each number that they read or write
        default:
            put(LLAMA_SYS_CELL_UNCOUNTED, node, by::one, {}, 0, 0, ggml_op_name(node->op));
    }
}

void reader::result(const ggml_tensor * node) {
    if (node->view_src != nullptr || converted.count(node) != 0) {
        return;
    }
    if (score_results.count(node) != 0) {
        const uint64_t n_heads = node->ne[2];
        put(LLAMA_SYS_CELL_ACTIVATION, node, by::scores, seen_by(keys_of(node)), 0, n_heads * ggml_type_size(node->type));
        return;
    }
    put(LLAMA_SYS_CELL_ACTIVATION, node, by::one, {}, 0, ggml_nbytes(node));
}

void reader::put(llama_sys_cell_what what, const ggml_tensor * node, by measure, visibility seen, int64_t size, uint64_t factor,
                 const std::string & op, const std::string & type) {
    to.items[{ what, device(node), op, type, for_outputs.count(node) != 0, measure, seen, size, factor }]++;
}
