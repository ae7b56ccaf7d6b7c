#include "cell_work.h"

#include "llama-batch.h"
#include "llama-model.h"
#include "tally.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

namespace {

// Leaves the memory of a context empty, as it was.
struct emptied {
    explicit emptied(llama_context * ctx) : memory(ctx->get_memory()) {}
    ~emptied() {
        if (memory != nullptr) {
            memory->clear(/* data = */ false);
        }
    }

    llama_memory_t memory;
};

// A token of a batch.
struct row {
    llama_seq_id seq;
    llama_pos    position;
    bool         output;
};

class counter {
  public:
    counter(llama_context * ctx, const llama_sys_cell_test & test) : ctx(ctx), test(test) {}

    void count() {
        if (ctx->get_memory() == nullptr) {
            whole();
        } else if (test.is_generation) {
            generation();
        } else {
            prompt();
        }
    }

    totals found;
    uint32_t n_graphs = 0;

  private:
    // Without a memory all tokens are computed at once, and all of them are outputs.
    void whole() {
        if (test.n_seqs != 1 || test.n_tokens > ctx->n_ubatch() || test.is_generation || test.n_depth > 0) {
            throw uncountable("a model without a memory computes one text at once");
        }
        places at;
        at.spans = { { 0, test.n_tokens } };
        shape({ test.n_tokens, 1, test.n_tokens }, nullptr).add_to(found, at, true);
        n_graphs++;
    }

    void prompt() {
        std::vector<row> rows;
        for (uint32_t seq = 0; seq < test.n_seqs; seq++) {
            for (uint32_t i = 0; i < test.n_tokens; i++) {
                rows.push_back({ (llama_seq_id) seq, position(i), i + 1 == test.n_tokens });
            }
        }
        const size_t n_at_once = std::max<uint32_t>(1, test.n_at_once);
        for (size_t first = 0; first < rows.size(); first += n_at_once) {
            const auto end = rows.begin() + std::min(rows.size(), first + n_at_once);
            std::vector<row> part(rows.begin() + first, end);
            // A batch of one sequence has an output at its end.
            part.back().output |= test.n_seqs == 1;
            decode(part, 1);
        }
    }

    // The cells that steps take differ, their graphs do not.
    void generation() {
        std::vector<row> rows;
        for (uint32_t seq = 0; seq < test.n_seqs; seq++) {
            rows.push_back({ (llama_seq_id) seq, position(0), true });
        }
        decode(rows, test.n_tokens);
    }

    llama_pos position(uint32_t i) const { return test.n_depth + i; }

    // Places a batch into the memory, without its data, and counts the graph of each of its physical batches; the same for
    // `n_steps` tokens of each sequence.
    void decode(const std::vector<row> & rows, uint32_t n_steps) {
        const llama_cparams & cparams = ctx->get_cparams();
        const llama_model & model     = ctx->get_model();
        std::vector<llama_token>    tokens(rows.size(), 0);
        std::vector<llama_pos>      positions;
        std::vector<int32_t>        n_seq_ids(rows.size(), 1);
        std::vector<llama_seq_id>   seqs;
        std::vector<llama_seq_id *> seq_ids;
        std::vector<int8_t>         outputs;
        for (const row & it : rows) {
            positions.push_back(it.position);
            seqs.push_back(it.seq);
            outputs.push_back(it.output);
        }
        for (llama_seq_id & seq : seqs) {
            seq_ids.push_back(&seq);
        }
        const llama_batch batch = { (int32_t) rows.size(), tokens.data(), nullptr, positions.data(), n_seq_ids.data(),
                                    seq_ids.data(), outputs.data() };
        const llama_batch_compat compat(ctx, batch);
        llama_batch_allocr balloc(model.hparams.n_pos_per_embd());
        if (!balloc.init(*compat.batch_ext, model.vocab, cparams.embeddings)) {
            throw uncountable("llama.cpp refuses the batch");
        }
        const auto memory = ctx->get_memory()->init_batch(balloc, cparams.n_ubatch, cparams.embeddings);
        if (memory == nullptr || memory->get_status() != LLAMA_MEMORY_STATUS_SUCCESS) {
            throw uncountable("llama.cpp finds no room for the batch");
        }
        do {
            if (!memory->apply()) {
                throw uncountable("llama.cpp finds no room for the batch");
            }
            physical(memory->get_ubatch(), memory.get(), n_steps);
        } while (memory->next());
    }

    void physical(const llama_ubatch & ubatch, const llama_memory_context_i * memory, uint32_t n_steps) {
        std::map<llama_seq_id, span> spans;
        uint32_t n_outputs = 0;
        for (uint32_t i = 0; i < ubatch.n_tokens; i++) {
            const auto [found, is_first] = spans.insert({ ubatch.seq_id[i][0], { ubatch.pos[i], 1 } });
            found->second.n += is_first ? 0 : 1;
            n_outputs += ubatch.output[i] != 0;
        }
        n_placed += ubatch.n_tokens;
        const uint32_t n_seqs = ubatch.equal_seqs() ? ubatch.n_seqs : 1;
        const tally & graph   = shape({ ubatch.n_tokens, n_seqs, std::max(1u, n_outputs) }, memory);
        for (uint32_t step = 0; step < n_steps; step++) {
            graph.add_to(found, at(spans, step), n_outputs > 0);
        }
        n_graphs += n_steps;
    }

    places at(const std::map<llama_seq_id, span> & spans, uint32_t step) const {
        places at;
        at.unified  = ctx->get_cparams().kv_unified;
        at.n_shared = at.unified ? test.n_shared : 0;
        if (at.unified) {
            const int64_t n_before = test.n_shared + (int64_t) test.n_seqs * (test.n_depth - test.n_shared);
            at.n_used              = n_before + n_placed + step * (int64_t) test.n_seqs;
        }
        for (const auto & [seq, tokens] : spans) {
            at.spans.push_back({ tokens.first + step, tokens.n });
            at.n_used = std::max(at.n_used, tokens.first + step + tokens.n);
        }
        return at;
    }

    // Graphs of one shape are built once. Their caches hold other numbers of cells, which a tally does not depend on.
    const tally & shape(std::tuple<uint32_t, uint32_t, uint32_t> key, const llama_memory_context_i * memory) {
        std::unique_ptr<tally> & known = shapes[key];
        if (known == nullptr) {
            const auto [n_tokens, n_seqs, n_outputs] = key;
            ggml_cgraph * graph = ctx->graph_reserve(n_tokens, n_seqs, n_outputs, memory, /* split_only = */ true);
            if (graph == nullptr) {
                throw std::runtime_error("llama.cpp built no graph");
            }
            known = std::make_unique<tally>(ctx, graph, n_seqs);
        }
        return *known;
    }

    llama_context * ctx;
    const llama_sys_cell_test & test;
    int64_t n_placed = 0;
    std::map<std::tuple<uint32_t, uint32_t, uint32_t>, std::unique_ptr<tally>> shapes;
};

} // namespace

int32_t cell_work_of(llama_context * ctx, const llama_sys_cell_test & test, llama_sys_cell_part * out, int32_t cap,
                     uint32_t * n_graphs) {
    const llama_model & model = ctx->get_model();
    if (llama_model_has_encoder(&model) && llama_model_has_decoder(&model)) {
        throw uncountable("an encoder and a decoder have graphs of their own");
    }
    ctx->synchronize();
    ctx->sched_reserve();
    llama_memory_t memory = ctx->get_memory();
    for (uint32_t seq = 0; memory != nullptr && seq < ctx->n_seq_max(); seq++) {
        if (memory->seq_pos_max(seq) >= 0) {
            throw uncountable("the context holds tokens");
        }
    }
    const emptied afterwards(ctx);
    counter all(ctx, test);
    all.count();
    ggml_backend_sched_reset(ctx->get_sched());
    *n_graphs = all.n_graphs;
    int32_t n = 0;
    for (const auto & [key, amount] : all.found) {
        const auto & [what, device, op, type] = key;
        if (n < cap) {
            out[n].what = what;
            snprintf(out[n].device, sizeof(out[n].device), "%s", device.c_str());
            snprintf(out[n].op, sizeof(out[n].op), "%s", op.c_str());
            snprintf(out[n].type, sizeof(out[n].type), "%s", type.c_str());
            out[n].n      = amount.n;
            out[n].amount = amount.sum;
        }
        n++;
    }
    return n;
}
