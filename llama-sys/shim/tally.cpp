#include "tally.h"

#include "reader.h"

// Results up to this size may stay in a cache.
static const uint64_t largest_cached = 128ull << 20;

bool tally::item::operator<(const item & other) const {
    const auto key = [](const item & it) {
        return std::tie(it.what, it.device, it.op, it.type, it.for_outputs, it.measure, it.to, it.size, it.factor);
    };
    return key(*this) < key(other);
}

tally::tally(llama_context * ctx, ggml_cgraph * graph, uint32_t n_seqs) {
    reader(ctx, graph, n_seqs, *this).read();
}

void tally::add_to(totals & to, const places & at, bool has_outputs) const {
    std::map<std::tuple<by, visibility, int64_t>, uint64_t> measured;
    const auto measure = [&](const item & it) -> uint64_t {
        const auto [found, is_new] = measured.insert({ { it.measure, it.to, it.size }, 1 });
        if (is_new) {
            switch (it.measure) {
                case by::one: break;
                case by::cells: found->second = at.cells(it.to); break;
                case by::pairs: found->second = at.pairs(it.to); break;
                case by::scores: found->second = at.scores(it.to); break;
                case by::slots: found->second = at.slots(it.size); break;
            }
        }
        return found->second;
    };
    for (const auto & [it, n] : items) {
        if (it.for_outputs && !has_outputs) {
            continue;
        }
        uint64_t one = it.factor * measure(it);
        if (it.what == LLAMA_SYS_CELL_ACTIVATION) {
            if (one <= largest_cached) {
                continue;
            }
            one *= 2; // written once, read once
        }
        amount & sum = to[{ it.what, it.device, it.op, it.type }];
        sum.n += n;
        sum.sum += n * one;
    }
}
