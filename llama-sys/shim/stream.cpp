// fopencookie is an extension that GNU's and musl's headers declare on request; funopen is the BSDs' older form of it.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "stream.h"

#include <algorithm>
#include <climits>

#if defined(__linux__) && !defined(__ANDROID__)
#define HAS_COOKIES 1
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__) || defined(__ANDROID__)
#define HAS_FUNOPEN 1
#endif

static llama_sys_stream * stream_of(void * cookie) {
    return static_cast<llama_sys_stream *>(cookie);
}

#if defined(HAS_COOKIES) || defined(HAS_FUNOPEN)
static int close_stream(void * cookie) {
    stream_of(cookie)->close(stream_of(cookie)->data);
    return 0;
}

// A null buffer would leave the size to the C library: 8 KiB, or 1 KiB, for each call of `read`.
static FILE * buffered(FILE * file, char * buffer, size_t size) {
    if (file != nullptr && size > 0) {
        setvbuf(file, buffer, _IOFBF, size);
    }
    return file;
}
#endif

#if defined(HAS_COOKIES)
static ssize_t read_stream(void * cookie, char * out, size_t n) {
    return stream_of(cookie)->read(stream_of(cookie)->data, out, n);
}

// glibc says off64_t, musl off_t: 64 bits both.
template <typename T> static int seek_stream(void * cookie, T * offset, int whence) {
    static_assert(sizeof(T) == sizeof(int64_t), "a position has 64 bits");
    const int64_t at = stream_of(cookie)->seek(stream_of(cookie)->data, *offset, whence);
    if (at < 0) {
        return -1;
    }
    *offset = at;
    return 0;
}

FILE * open_stream(llama_sys_stream * stream, char * buffer, size_t size) {
    cookie_io_functions_t functions{};
    functions.read  = read_stream;
    functions.seek  = seek_stream;
    functions.close = close_stream;
    return buffered(fopencookie(stream, "rb", functions), buffer, size);
}
#elif defined(HAS_FUNOPEN)
static int read_stream(void * cookie, char * out, int n) {
    return static_cast<int>(stream_of(cookie)->read(stream_of(cookie)->data, out, n > 0 ? n : 0));
}

static fpos_t seek_stream(void * cookie, fpos_t offset, int whence) {
    return static_cast<fpos_t>(stream_of(cookie)->seek(stream_of(cookie)->data, offset, whence));
}

FILE * open_stream(llama_sys_stream * stream, char * buffer, size_t size) {
    FILE * file = funopen(stream, read_stream, nullptr, seek_stream, close_stream);
    return buffered(file, buffer, std::min(size, static_cast<size_t>(INT_MAX)));
}
#else
FILE * open_stream(llama_sys_stream *, char *, size_t) {
    return nullptr;
}
#endif

bool has_streams() {
#if defined(HAS_COOKIES) || defined(HAS_FUNOPEN)
    return sizeof(void *) == 8; // a fpos_t may have 32 bits elsewhere
#else
    return false;
#endif
}
