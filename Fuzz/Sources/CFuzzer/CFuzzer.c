#include "CFuzzer.h"

#include <stdlib.h>

/// libFuzzer's own main wants it to be there; ours calls the driver instead.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    abort();
}
