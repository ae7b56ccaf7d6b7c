// Where the tokens of a physical batch stand, and what that makes visible to them. C++ alone.
#pragma once

#include "llama-hparams.h"

#include <cstdint>
#include <vector>

// What a layer lets a token attend to.
struct visibility {
    llama_swa_type type = LLAMA_SWA_TYPE_NONE;
    int64_t n_window    = 0;
    bool everything     = false; // of its batch, earlier or later: attention without a cache

    bool operator<(const visibility & other) const;
};

// Consecutive tokens of one sequence.
struct span {
    int64_t first; // position of the first
    int64_t n;
};

// The tokens of a physical batch.
struct places {
    std::vector<span> spans; // one for each of its sequences
    bool    unified  = false; // whether all sequences lie in one cache
    int64_t n_shared = 0;     // positions that they share, if they do
    int64_t n_used   = 0;     // cells of the fullest stream, once these tokens are in it

    // Cells that at least one token attends to, of all streams together.
    int64_t cells(const visibility & to) const;
    // Pairs of a token and a cell that it attends to.
    int64_t pairs(const visibility & to) const;
    // Tokens times the cells of their stream that at least one of them attends to: the scores of one head.
    int64_t scores(const visibility & to) const;
    // Cells that llama.cpp's graph goes over in a cache of `size` cells.
    int64_t slots(int64_t size) const;
};
