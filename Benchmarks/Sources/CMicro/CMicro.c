#include "CMicro.h"
#include <errno.h>
#include <stdatomic.h>
#include <zlib.h>
#include <zstd.h>

// The program's own malloc family takes the place of the C library's, for every library in the process, and counts.
// glibc offers its own under these names for that.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic uint64_t allocations;

static void count(void) { atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed); }

uint64_t micro_allocations(void) { return atomic_load_explicit(&allocations, memory_order_relaxed); }

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count();
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *result = memalign(alignment, size);
    if (!result) return ENOMEM;
    *block = result;
    return 0;
}

void free(void *block) { __libc_free(block); }

__attribute__((noinline)) void micro_measured(void (*body)(void)) {
    body();
    // Keeps the call from becoming a jump, which would leave the function before its work.
    __asm__ volatile("" ::: "memory");
}

size_t micro_gzip(const void *in, size_t count, void *out, size_t capacity) {
    z_stream stream = {0};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    stream.next_in = (Bytef *)in;
    stream.avail_in = (uInt)count;
    stream.next_out = out;
    stream.avail_out = (uInt)capacity;
    int result = deflate(&stream, Z_FINISH);
    size_t size = capacity - stream.avail_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? size : 0;
}

size_t micro_zstd(const void *in, size_t count, void *out, size_t capacity) {
    size_t size = ZSTD_compress(out, capacity, in, count, 3);
    return ZSTD_isError(size) ? 0 : size;
}
