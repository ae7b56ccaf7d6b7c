// The calibration loop: independent of llama.cpp and with vectors of fixed width, so neither an update of llama.cpp nor
// the profile of the Rust build changes its time.
#include "shim.h"

#include <cstring>

namespace {

constexpr size_t WIDTH = 4;

#if defined(__GNUC__) || defined(__clang__)
typedef float vec __attribute__((vector_size(WIDTH * sizeof(float))));
#else
struct vec {
    float at[WIDTH];
};
vec operator*(const vec & a, const vec & b) {
    vec r;
    for (size_t i = 0; i < WIDTH; i++) r.at[i] = a.at[i] * b.at[i];
    return r;
}
vec operator+(const vec & a, const vec & b) {
    vec r;
    for (size_t i = 0; i < WIDTH; i++) r.at[i] = a.at[i] + b.at[i];
    return r;
}
#endif

vec load(const float * from) {
    vec v;
    std::memcpy(&v, from, sizeof(v));
    return v;
}

} // namespace

float llama_sys_dot(const float * a, const float * b, size_t n, uint32_t times) {
    // Eight sums, enough to hide the latency of an addition; by name, since every compiler then keeps them in registers.
    vec s0 = {}, s1 = {}, s2 = {}, s3 = {}, s4 = {}, s5 = {}, s6 = {}, s7 = {};
    // They continue from one time to the next, which no compiler may shorten.
    for (uint32_t t = 0; t < times; t++) {
        for (size_t i = 0; i + 8 * WIDTH <= n; i += 8 * WIDTH) {
            const float * x = a + i;
            const float * y = b + i;
            s0 = s0 + load(x + 0 * WIDTH) * load(y + 0 * WIDTH);
            s1 = s1 + load(x + 1 * WIDTH) * load(y + 1 * WIDTH);
            s2 = s2 + load(x + 2 * WIDTH) * load(y + 2 * WIDTH);
            s3 = s3 + load(x + 3 * WIDTH) * load(y + 3 * WIDTH);
            s4 = s4 + load(x + 4 * WIDTH) * load(y + 4 * WIDTH);
            s5 = s5 + load(x + 5 * WIDTH) * load(y + 5 * WIDTH);
            s6 = s6 + load(x + 6 * WIDTH) * load(y + 6 * WIDTH);
            s7 = s7 + load(x + 7 * WIDTH) * load(y + 7 * WIDTH);
        }
    }
    const vec sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    float parts[WIDTH];
    std::memcpy(parts, &sum, sizeof(parts));
    return parts[0] + parts[1] + parts[2] + parts[3];
}
