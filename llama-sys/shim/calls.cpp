#include "calls.h"

#include "frames.h"
#include "shim.h"

#include <atomic>
#include <cstdio>
#include <stdexcept>

#if defined(CAN_THROW_FROM_C) && defined(__ELF__)
// Null if ggml does not export it.
extern "C" __attribute__((weak)) void ggml_print_backtrace(void);
#endif

// Text of this thread, without a destructor: handles may still be used while a thread's other variables are destroyed.
struct text {
    char chars[2048];

    bool empty() const { return chars[0] == '\0'; }
    void clear() { chars[0] = '\0'; }
    void set(const char * from) { snprintf(chars, sizeof(chars), "%s", from); }
};

static thread_local text last_exception;

// The assertion that failed in the current call: llama.cpp may have caught the exception made of it and continued.
static thread_local text failed_assertion;

// The frame of this thread's innermost `contained`, where an exception would be caught; null outside.
static thread_local const void * catcher = nullptr;

// The context of the current call computes with one thread: an exception leaves no other thread behind.
static thread_local bool one_thread = false;

const char * llama_sys_last_exception(void) {
    return last_exception.chars;
}

void llama_sys_remember_exception(const char * exception) {
    last_exception.set(exception);
}

void set_last_exception(const char * text) {
    if (text == nullptr) {
        last_exception.clear();
    } else {
        last_exception.set(text);
    }
}

current_call::current_call(const void * frame, bool alone) : outer_catcher(catcher), outer_one_thread(one_thread) {
    snprintf(outer_assertion, sizeof(outer_assertion), "%s", ::failed_assertion.chars);
    ::failed_assertion.clear();
    catcher    = frame;
    one_thread = alone;
}

current_call::~current_call() {
    ::failed_assertion.set(outer_assertion);
    catcher    = outer_catcher;
    one_thread = outer_one_thread;
}

const char * current_call::failed_assertion() {
    return ::failed_assertion.empty() ? nullptr : ::failed_assertion.chars;
}

#ifdef CAN_THROW_FROM_C
// What was called before this library came; ggml prints where there is nothing.
static std::atomic<ggml_abort_callback_t> other_callback{nullptr};

static std::atomic<llama_sys_caller_of_thread> caller_of_thread{nullptr};

// This thread is in that callback, which may call this library's in turn, as the one that was there before it.
static thread_local bool passing_on = false;

struct passing {
    passing() { passing_on = true; }
    ~passing() { passing_on = false; }
};

// As ggml ends the process, if it is to end.
static void on_fatal(const char * message, llama_sys_caller caller) {
    if (passing_on) {
        fprintf(stderr, "%s\n", message);
        return;
    }
    if (caller == LLAMA_SYS_CALLER_OTHERS) {
        fprintf(stderr, "an assertion of llama.cpp failed in a call by other code of this program, not by llama-bench-rs:\n");
    }
    if (const ggml_abort_callback_t other = other_callback) {
        passing on;
        other(message);
        return;
    }
    fprintf(stderr, "%s\n", message);
#if defined(__ELF__)
    if (caller != LLAMA_SYS_CALLER_US && ggml_print_backtrace != nullptr) {
        ggml_print_backtrace();
    }
#endif
}

// ggml calls this in place of printing and then ends the process. An exception gets out of that, where it is sound:
// - It is caught: the thread is inside `contained`. Compute threads and callers of other functions are not, and an
//   exception that meets a destructor ends the process. Nor is a thread that llama.cpp called back from there, say a
//   listener of its log that uses llama.cpp by another library.
// - Nothing that runs on is left behind: the threads of a computation share its graph, its plan, which lies on the
//   stack, and a barrier that would wait for this thread forever. So none is thrown from within one, unless it has
//   no other thread.
// - Nothing half done is used again: Rust refuses the context from then on and frees neither it, nor its threads and
//   model.
static void on_abort(const char * message) {
    const llama_sys_caller_of_thread caller_of = caller_of_thread;
    const llama_sys_caller caller = caller_of();
    if (caller == LLAMA_SYS_CALLER_US && catcher != nullptr && (one_thread || !is_computing(catcher))) {
        failed_assertion.set(message);
        throw std::runtime_error(message);
    }
    on_fatal(message, caller);
}
#endif

void llama_sys_throw_on_abort(llama_sys_caller_of_thread caller) {
#ifdef CAN_THROW_FROM_C
    caller_of_thread = caller;
    const ggml_abort_callback_t before = ggml_set_abort_callback(on_abort);
    if (before != on_abort) {
        other_callback = before;
    }
#else
    (void) caller;
#endif
}
