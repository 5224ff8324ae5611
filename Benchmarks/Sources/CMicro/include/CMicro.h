#pragma once
#include <stddef.h>
#include <stdint.h>

/// Blocks that the process took from the heap so far.
uint64_t micro_allocations(void);

/// Calls a function: what valgrind counts is what happens in here, by this name.
void micro_measured(void (*body)(void));

/// Packs bytes for a benchmark's input; 0 where `out` is too small.
size_t micro_gzip(const void *in, size_t count, void *out, size_t capacity);
size_t micro_zstd(const void *in, size_t count, void *out, size_t capacity);
