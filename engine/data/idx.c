// idx.c -- reads an IDX file, inflating it when it is gzip'ed.
#include "idx.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_MAX = 16 };

// A stream of the file's bytes after decompression.
struct stream {
    const uint8_t *data;
    uint64_t left;
    bool gzip, open, ended;
    z_stream z;
};

static vkd_result stream_open(struct stream *s, const uint8_t *file, uint64_t size, struct vkd__why *why)
{
    *s = (struct stream) { .data = file, .left = size };
    s->gzip = size >= 2 && file[0] == 0x1f && file[1] == 0x8b;
    if (s->gzip && inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for gzip");
    s->open = s->gzip;
    return VKD_OK;
}

static void stream_close(struct stream *s)
{
    if (s->open)
        inflateEnd(&s->z);
    s->open = false;
}

// Reads up to `want` bytes; *got is smaller only at the end. gzip members may follow one another.
static vkd_result stream_read(struct stream *s, uint8_t *out, uint64_t want, uint64_t *got, struct vkd__why *why)
{
    uint64_t done = 0;
    if (!s->gzip) {
        done = want < s->left ? want : s->left;
        if (done) {     // an empty file has no data at all
            memcpy(out, s->data, (size_t)done);
            s->data += done;
        }
        s->left -= done;
        *got = done;
        return VKD_OK;
    }
    while (done < want && !s->ended) {
        const uint32_t in = s->left < 1u << 30 ? (uint32_t)s->left : 1u << 30;
        const uint32_t room = want - done < 1u << 30 ? (uint32_t)(want - done) : 1u << 30;
        s->z.next_in = (Bytef *)(uintptr_t)s->data;
        s->z.avail_in = in;
        s->z.next_out = out + done;
        s->z.avail_out = room;
        int status = inflate(&s->z, Z_NO_FLUSH);
        s->data += in - s->z.avail_in;
        s->left -= in - s->z.avail_in;
        done += room - s->z.avail_out;
        if (status == Z_STREAM_END) {
            const bool more = s->left >= 2 && s->data[0] == 0x1f && s->data[1] == 0x8b;
            if (!more || inflateReset(&s->z) != Z_OK)
                s->ended = true;
        } else if (status == Z_BUF_ERROR || (status == Z_OK && !s->left && s->z.avail_out)) {
            return vkd__data_fail(why, VKD_FORMAT, "the gzip data ends too early: the file is cut off");
        } else if (status == Z_MEM_ERROR) {
            return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for gzip");
        } else if (status != Z_OK) {
            return vkd__data_fail(why, VKD_FORMAT, "broken gzip data: %.100s", s->z.msg ? s->z.msg : "unknown error");
        }
    }
    *got = done;
    return VKD_OK;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static vkd_result read_header(struct stream *s, uint32_t dims, struct vkd__idx *idx, struct vkd__why *why)
{
    uint8_t head[HEADER_MAX];
    const uint32_t size = 4 + 4 * dims, magic = 0x800 + dims;
    uint64_t got;
    vkd_result r = stream_read(s, head, size, &got, why);
    if (r != VKD_OK)
        return r;
    if (got < size)
        return vkd__data_fail(why, VKD_FORMAT, "expected a header of %u bytes, the data ends after %u", size,
                              (unsigned)got);
    if (big_endian(head) != magic)
        return vkd__data_fail(why, VKD_FORMAT, "expected the magic number 0x%08x (IDX, bytes, %u dimension%s), found "
                              "0x%08x", magic, dims, dims > 1 ? "s" : "", big_endian(head));
    uint64_t count = 1;
    for (uint32_t i = 0; i < 3; i++) {
        idx->sizes[i] = i < dims ? big_endian(head + 4 + 4 * i) : 1;
        if (!idx->sizes[i])
            return vkd__data_fail(why, VKD_FORMAT, "size %u in the header is 0", i);
        if (i && idx->sizes[i] > VKD__IMAGE_SIDE_MAX)
            return vkd__data_fail(why, VKD_FORMAT, "images of %u x %u pixels: the limit is %u a side",
                                  idx->sizes[1], dims > 2 ? big_endian(head + 12) : 1, VKD__IMAGE_SIDE_MAX);
        count *= idx->sizes[i];     // at most 2^32 * 2^14 * 2^14
    }
    idx->byte_count = count;
    return VKD_OK;
}

vkd_result vkd__idx_read(const uint8_t *file, uint64_t size, uint32_t dims, struct vkd__idx *out,
                         struct vkd__why *why)
{
    struct vkd__idx idx = { .bytes = NULL };
    struct stream stream;
    vkd_result r = stream_open(&stream, file, size, why);
    if (r != VKD_OK)
        return r;
    r = read_header(&stream, dims, &idx, why);
    if (r != VKD_OK)
        goto fail;
    // Deflate packs at most 1032 : 1, so a header that claims more is wrong before memory is asked for.
    const uint64_t most = stream.gzip ? (size > UINT64_MAX / 1040 ? UINT64_MAX : size * 1040) : stream.left;
    uint64_t got = 0;
    if (idx.byte_count > most || idx.byte_count > SIZE_MAX / 2) {
        r = vkd__data_fail(why, VKD_FORMAT, "the header asks for %llu bytes (%u x %u x %u), the file can hold at most "
                           "%llu: it is cut off or its header is wrong", (unsigned long long)idx.byte_count,
                           idx.sizes[0], idx.sizes[1], idx.sizes[2], (unsigned long long)most);
        goto fail;
    }
    idx.bytes = malloc((size_t)idx.byte_count);
    if (!idx.bytes) {
        r = vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %llu bytes", (unsigned long long)idx.byte_count);
        goto fail;
    }
    r = stream_read(&stream, idx.bytes, idx.byte_count, &got, why);
    if (r != VKD_OK)
        goto fail;
    if (got < idx.byte_count) {
        r = vkd__data_fail(why, VKD_FORMAT, "the header asks for %llu bytes, the data ends after %llu",
                           (unsigned long long)idx.byte_count, (unsigned long long)got);
        goto fail;
    }
    // One byte more: it must not be there, and asking for it makes gzip compare its checksum.
    uint8_t beyond;
    r = stream_read(&stream, &beyond, 1, &got, why);
    if (r != VKD_OK)
        goto fail;
    if (got) {
        r = vkd__data_fail(why, VKD_FORMAT, "the file holds more than the %llu bytes its header asks for",
                           (unsigned long long)idx.byte_count);
        goto fail;
    }
    stream_close(&stream);
    *out = idx;
    return VKD_OK;
fail:
    stream_close(&stream);
    free(idx.bytes);
    return r;
}
