#include "places.h"

#include <algorithm>
#include <tuple>

bool visibility::operator<(const visibility & other) const {
    return std::tie(type, n_window, everything) < std::tie(other.type, other.n_window, other.everything);
}

// The first position that a token at `position` attends to.
static int64_t first_visible(const visibility & to, int64_t position) {
    switch (to.type) {
        case LLAMA_SWA_TYPE_STANDARD: return std::max<int64_t>(0, position - to.n_window + 1);
        case LLAMA_SWA_TYPE_CHUNKED: return position / to.n_window * to.n_window;
        case LLAMA_SWA_TYPE_SYMMETRIC: return std::max<int64_t>(0, position - to.n_window / 2);
        default: return 0;
    }
}

int64_t places::cells(const visibility & to) const {
    int64_t sum = 0, first_shared = n_shared;
    for (const span & tokens : spans) {
        if (to.everything) {
            sum += tokens.n;
            continue;
        }
        // A later token never sees further back than an earlier one.
        const int64_t first = first_visible(to, tokens.first);
        const int64_t end   = tokens.first + tokens.n;
        if (unified) {
            first_shared = std::min(first_shared, first);
            sum += end - std::max(first, n_shared);
        } else {
            sum += end - first;
        }
    }
    return sum + (n_shared - first_shared);
}

int64_t places::pairs(const visibility & to) const {
    int64_t sum = 0;
    for (const span & tokens : spans) {
        if (to.everything) {
            sum += tokens.n * tokens.n;
            continue;
        }
        for (int64_t position = tokens.first; position < tokens.first + tokens.n; position++) {
            sum += position + 1 - first_visible(to, position);
        }
    }
    return sum;
}

int64_t places::scores(const visibility & to) const {
    int64_t sum = 0, n_tokens = 0;
    for (const span & tokens : spans) {
        places alone = *this;
        alone.spans  = { tokens };
        sum += tokens.n * alone.cells(to);
        n_tokens += tokens.n;
    }
    return unified ? n_tokens * cells(to) : sum;
}

int64_t places::slots(int64_t size) const {
    // As llama_kv_cache::get_n_kv rounds them.
    const int64_t pad = 256;
    return std::min(size, std::max(pad, (n_used + pad - 1) / pad * pad));
}
