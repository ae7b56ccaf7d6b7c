// A call into llama.cpp from Rust: exceptions and failed assertions end here. C++ alone.
#pragma once

#include "llama.h"

#include <algorithm>
#include <exception>

#if defined(__GNUC__) || defined(__clang__)
#define THIS_FRAME __builtin_frame_address(0)
#else
#define THIS_FRAME static_cast<const void *>(&failed) // nothing is thrown from C there: only told from null
#endif

// The text that llama_sys_last_exception returns in this thread; null if the last call threw nothing.
void set_last_exception(const char * text);

// Makes a call the current one. A subscriber of llama.cpp's log may call back into the library: what is known of the
// call around it comes back after it.
class current_call {
  public:
    // `frame` is where an exception would be caught. `alone`: nothing that is computed meanwhile has another thread.
    current_call(const void * frame, bool alone);
    ~current_call();

    // The assertion that failed in it; null if none did. llama.cpp may have caught the exception made of it and
    // continued.
    static const char * failed_assertion();

  private:
    const void * outer_catcher;
    bool         outer_one_thread;
    char         outer_assertion[2048];
};

// Runs `call`; an exception is remembered and `failed` returned in its place.
template <typename F, typename R> R contained(F call, R failed, bool alone = false) {
    current_call current(THIS_FRAME, alone);
    try {
        R result = call();
        set_last_exception(current_call::failed_assertion());
        return current_call::failed_assertion() == nullptr ? result : failed;
    } catch (const std::exception & e) {
        set_last_exception(e.what());
    } catch (...) {
        set_last_exception("an exception other than std::exception");
    }
    return failed;
}

// The same for a call that may compute.
template <typename F, typename R> R computed(llama_context * ctx, F call, R failed) {
    return contained(call, failed, std::max(llama_n_threads(ctx), llama_n_threads_batch(ctx)) == 1);
}
