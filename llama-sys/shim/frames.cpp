#include "frames.h"

#ifdef CAN_THROW_FROM_C
#include "ggml-cpu.h"

#include <cstring>
#include <dlfcn.h>
#include <unwind.h>

#if defined(__ELF__)
// Null if the CPU backend is a library loaded at run time.
extern "C" __attribute__((weak)) enum ggml_status ggml_graph_compute(struct ggml_cgraph *, struct ggml_cplan *);
#endif

struct search {
    const void * catcher;
    bool         found;
};

static _Unwind_Reason_Code look_for_compute(_Unwind_Context * frame, void * data) {
    search * wanted = (search *) data;
    // Frames beyond the catcher stay: an exception does not pass them.
    if ((const void *) _Unwind_GetCFA(frame) > wanted->catcher) {
        return _URC_NORMAL_STOP;
    }
    void * function = _Unwind_FindEnclosingFunction((void *) (_Unwind_GetIP(frame) - 1));
    bool is_it = false;
#if defined(__ELF__)
    is_it = function != nullptr && function == (void *) &ggml_graph_compute;
#endif
    Dl_info info;
    if (!is_it && function != nullptr && dladdr(function, &info) != 0 && info.dli_sname != nullptr) {
        is_it = strcmp(info.dli_sname, "ggml_graph_compute") == 0;
    }
    wanted->found = is_it;
    return is_it ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

bool is_computing(const void * catcher) {
    search wanted{catcher, false};
    _Unwind_Backtrace(look_for_compute, &wanted);
    return wanted.found;
}
#endif
