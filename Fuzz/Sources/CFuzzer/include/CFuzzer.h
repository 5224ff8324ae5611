#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own entry: runs `callback` on inputs until the time in the arguments is over.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
