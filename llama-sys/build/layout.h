// Made by scripts/bindings from prepared.rs, and compiled before each build: what this C++ compiler reads in llama.cpp's
// headers is what the bindings say, or this file is refused. It needs no header of C++, and makes no code.
#include "wrapper.h"

#include <stddef.h>

namespace {

template <class A, class B> struct is_same { static constexpr bool value = false; };
template <class A> struct is_same<A, A> { static constexpr bool value = true; };

template <class T> struct without_const { using type = T; };
template <class T> struct without_const<const T> { using type = T; };

// `struct name` before `::`, where a function hides the structure.
template <class T> using self = T;

constexpr bool is_text(const char * a, const char * b) {
    while (*a != 0 && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

} // namespace

#define CHECK(what, ...) static_assert(__VA_ARGS__, what ": the header differs from the bindings in prepared.rs")

#define VALUE(name, value) CHECK(#name, static_cast<long long>(name) == value)
#define TEXT(name, text) CHECK(#name, is_text(name, text))
// Rust has a number for it; whether it has a sign differs between compilers.
#define ENUM(name, ...) CHECK(#name, __is_enum(name) && sizeof(name) == sizeof(__VA_ARGS__))
#define TYPE(name, ...) CHECK(#name, is_same<name, __VA_ARGS__>::value)
#define FIELD(of, field, ...) \
    CHECK(#of "::" #field, is_same<without_const<decltype(self<of>::field)>::type, __VA_ARGS__>::value)
#define SIZE(of, size) CHECK(#of, sizeof(of) == size)
#define ALIGNMENT(of, size) CHECK(#of, alignof(of) == size)
#define OFFSET(of, field, size) CHECK(#of "::" #field, offsetof(of, field) == size)
#define FUNCTION(name, ...) CHECK(#name, is_same<decltype(name), __VA_ARGS__>::value)
