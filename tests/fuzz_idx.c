// fuzz_idx.c -- any bytes as an IDX file, plain or gzip'ed: no fault, and memory bounded by the file's size.
#include "fuzz.h"

#include "engine/data/idx.h"

static void fuzz_one(const uint8_t *data, size_t size)
{
    for (uint32_t dims = 1; dims <= 3; dims += 2) {
        struct vkd__idx idx = { .bytes = NULL };
        struct vkd__why why = { "" };
        vkd_result r = vkd__idx_read(data, size, dims, &idx, &why);
        if (r == VKD_OK && (!idx.bytes || idx.byte_count > size * 1040 ||
                            idx.byte_count != (uint64_t)idx.sizes[0] * idx.sizes[1] * idx.sizes[2]))
            abort();
        if (r != VKD_OK && (idx.bytes || !why.text[0]))
            abort();
        free(idx.bytes);
    }
}

static bool fuzz_sample(unsigned i, struct bytes *out)
{
    static const uint8_t pixels[7 * 5 * 4] = { 1, 2, 3 };
    if (i > 3)
        return false;
    static const uint32_t cube[3] = { 7, 5, 4 }, line[3] = { 140, 1, 1 };
    struct bytes b = idx_encode(i & 1 ? 3 : 1, i & 1 ? cube : line, pixels, sizeof pixels);
    if (i & 2) {
        *out = gzip_encode(b.data, b.size);
        free(b.data);
    } else {
        *out = b;
    }
    return true;
}
