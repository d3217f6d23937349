// fuzz.h -- a fuzz target is `fuzz_one` and `fuzz_sample`. With VKDIV_FUZZ (clang) libFuzzer drives it;
// otherwise a small main runs it over the files named, or over damaged samples: `fuzz_x [COUNT]`.
#ifndef VKD_TEST_FUZZ_H
#define VKD_TEST_FUZZ_H

#include "data_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_one(const uint8_t *data, size_t size);
static bool fuzz_sample(unsigned i, struct bytes *out);     // false behind the last

#ifdef VKD_FUZZ

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(data, size);
    return 0;
}

// For mutation: the first byte picks a sample when the input is empty, so that a run needs no corpus.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct bytes b;
    if (size < 4 || seed % 64 == 0) {
        unsigned count = 0;
        for (; fuzz_sample(count, &b); count++)
            free(b.data);
        if (fuzz_sample(seed / 64 % count, &b)) {
            if (b.size <= max_size) {
                memcpy(data, b.data, b.size);
                size = b.size;
            }
            free(b.data);
        }
    }
    return LLVMFuzzerMutate(data, size, max_size);
}

#else

static int fuzz_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "cannot open %s\n", path);
        return 1;
    }
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    fuzz_one(data, size);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 50;
    if (argc > 1 && !count) {
        int failed = 0;
        for (int i = 1; i < argc; i++)
            failed |= fuzz_file(argv[i]);
        return failed;
    }
    struct bytes whole;
    for (unsigned i = 0; fuzz_sample(i, &whole); i++) {
        fuzz_one(whole.data, whole.size);
        for (uint64_t seed = 0; seed < count; seed++) {
            struct bytes b = damage(whole, seed << 8 | i);
            fuzz_one(b.data, b.size);
            fuzz_one(b.data, b.size / 2);
            free(b.data);
        }
        free(whole.data);
    }
    return 0;
}

#endif
#endif
