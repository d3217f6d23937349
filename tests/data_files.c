// data_files.c -- encoders and temporary files for the data tests.
#include "data_files.h"

#include "runtime/os.h"

#include <spng.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

// Files that cannot be made leave nothing to test.
static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "data_files: %s\n", what);
    abort();
}

static struct bytes new_bytes(size_t size)
{
    struct bytes b = { calloc(1, size ? size : 1), size };
    need(b.data != NULL, "out of memory");
    return b;
}

// ---- The folder ----

static char folder[64];

const char *temp_folder(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/vkdiv-data-XXXXXX");
        need(mkdtemp(folder) != NULL, "no temporary folder");
    }
    return folder;
}

const char *temp_path(const char *format, ...)
{
    static char paths[4][512];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    int n = snprintf(p, sizeof paths[0], "%s/", temp_folder());
    va_list args;
    va_start(args, format);
    vsnprintf(p + n, sizeof paths[0] - (size_t)n, format, args);
    va_end(args);
    return p;
}

bool temp_remove(void)
{
    char command[128];
    if (!folder[0])
        return true;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    folder[0] = 0;
    return system(command) == 0;
}

void temp_write(const char *name, const void *data, size_t size)
{
    struct vkd__why why;
    char path[512], above[512];
    snprintf(path, sizeof path, "%s/%s", temp_folder(), name);
    snprintf(above, sizeof above, "%s", path);
    *strrchr(above, '/') = 0;
    need(vkd__dir_create(above, &why) == VKD_OK, "no folder");
    FILE *f = fopen(path, "wb");
    need(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "cannot write");
}

void temp_write_bytes(const char *name, struct bytes b)
{
    temp_write(name, b.data, b.size);
    free(b.data);
}

// SplitMix64: good enough to make test data.
uint32_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (uint32_t)(z >> 32);
}

void fill_random(uint8_t *data, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)next_random(&seed);
}

// ---- PNG and JPEG ----

size_t png_row_bytes(uint32_t width, uint8_t type, uint8_t depth)
{
    static const uint8_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    return ((size_t)width * channels[type] * depth + 7) / 8;
}

struct bytes png_encode(uint32_t width, uint32_t height, uint8_t type, uint8_t depth, bool interlaced,
                        const uint8_t *raw)
{
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    need(ctx != NULL, "out of memory");
    struct spng_ihdr head = { .width = width, .height = height, .bit_depth = depth, .color_type = type,
                              .interlace_method = interlaced };
    spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    need(!spng_set_ihdr(ctx, &head), "PNG header");
    if (type == SPNG_COLOR_TYPE_INDEXED) {
        struct spng_plte colours = { .n_entries = 1u << depth };
        struct spng_trns clear = { .n_type3_entries = 1u << depth };
        for (uint32_t i = 0; i < colours.n_entries; i++) {
            colours.entries[i] = (struct spng_plte_entry) { (uint8_t)(3 * i + 1), (uint8_t)(5 * i + 2),
                                                            (uint8_t)(7 * i + 3), 255 };
            clear.type3_alpha[i] = (uint8_t)(i * 37);
        }
        need(!spng_set_plte(ctx, &colours) && !spng_set_trns(ctx, &clear), "PNG palette");
    }
    need(!spng_encode_image(ctx, raw, png_row_bytes(width, type, depth) * height, SPNG_FMT_RAW,
                            SPNG_ENCODE_FINALIZE), "PNG encoding");
    int error;
    struct bytes b = { NULL, 0 };
    b.data = spng_get_png_buffer(ctx, &b.size, &error);
    need(b.data != NULL, "PNG buffer");
    spng_ctx_free(ctx);
    return b;
}

struct bytes png_random(uint32_t width, uint32_t height, uint64_t seed)
{
    struct bytes raw = new_bytes((size_t)width * height * 3);
    fill_random(raw.data, raw.size, seed);
    struct bytes b = png_encode(width, height, SPNG_COLOR_TYPE_TRUECOLOR, 8, false, raw.data);
    free(raw.data);
    return b;
}

struct bytes jpeg_encode(uint32_t width, uint32_t height, enum jpeg_kind kind, int quality, const uint8_t *pixels)
{
    tjhandle tj = tjInitCompress();
    need(tj != NULL, "out of memory");
    const int format = kind == JPEG_GREY ? TJPF_GRAY : kind == JPEG_YCCK ? TJPF_CMYK : TJPF_RGB;
    const int sampling = kind == JPEG_GREY ? TJSAMP_GRAY : kind == JPEG_RGB_420 ? TJSAMP_420 : TJSAMP_444;
    unsigned char *out = NULL;
    unsigned long size = 0;
    need(!tjCompress2(tj, pixels, (int)width, 0, (int)height, format, &out, &size, sampling, quality,
                      TJFLAG_ACCURATEDCT | (kind == JPEG_PROGRESSIVE ? TJFLAG_PROGRESSIVE : 0)), "JPEG encoding");
    struct bytes b = new_bytes(size);
    memcpy(b.data, out, size);
    tjFree(out);
    tjDestroy(tj);
    return b;
}

// ---- Plain formats ----

static uint8_t *put_le(uint8_t *p, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *p++ = (uint8_t)(value >> (8 * i));
    return p;
}

static uint8_t *put_be(uint8_t *p, uint32_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;)
        *p++ = (uint8_t)(value >> (8 * i));
    return p;
}

static struct bytes bmp_encode(uint32_t width, uint32_t height, const uint8_t *rgb)
{
    const size_t row = ((size_t)width * 3 + 3) & ~(size_t)3;
    struct bytes b = new_bytes(54 + row * height);
    uint8_t *p = b.data;
    *p++ = 'B';
    *p++ = 'M';
    p = put_le(p, (uint32_t)b.size, 4);
    p = put_le(p, 0, 4);
    p = put_le(p, 54, 4);
    p = put_le(p, 40, 4);
    p = put_le(p, width, 4);
    p = put_le(p, height, 4);
    p = put_le(p, 1, 2);
    put_le(p, 24, 2);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (unsigned c = 0; c < 3; c++)
                b.data[54 + (height - 1 - y) * row + x * 3 + c] = rgb[((size_t)y * width + x) * 3 + 2 - c];
    return b;
}

// Literal codes of 8 bits, with a clear code before the table would need 9.
static struct bytes gif_encode(uint32_t width, uint32_t height, const uint8_t *rgb)
{
    const size_t count = (size_t)width * height, codes = count + count / 100 + 2;
    struct bytes b = new_bytes(13 + 384 + 10 + 1 + codes + codes / 200 + 16);
    uint8_t *p = b.data;
    memcpy(p, "GIF89a", 6);
    p = put_le(p + 6, width, 2);
    p = put_le(p, height, 2);
    *p++ = 0xf6;                // 128 colours
    p += 2;
    for (unsigned i = 0; i < 128; i++)
        for (unsigned c = 0; c < 3; c++)
            *p++ = (uint8_t)(2 * i);
    *p++ = ',';
    p += 4;
    p = put_le(p, width, 2);
    p = put_le(p, height, 2);
    *p++ = 0;
    *p++ = 7;
    uint8_t *block = p++, used = 0;
    for (size_t i = 0, code = 0; code < codes; code++) {
        uint8_t value = code % 101 == 0 ? 128 : i < count ? rgb[3 * i++] & 127 : 129;
        *p++ = value;
        if (++used == 200 || value == 129) {
            *block = used;
            block = p++;
            used = 0;
        }
        if (value == 129)
            break;
    }
    *block = used;
    if (used)
        *p++ = 0;
    *p++ = ';';
    b.size = (size_t)(p - b.data);
    return b;
}

static struct bytes pnm_encode(bool colour, uint32_t width, uint32_t height, const uint8_t *rgb)
{
    const size_t count = (size_t)width * height;
    struct bytes b = new_bytes(count * 3 + 32);
    int n = snprintf((char *)b.data, 32, "P%c\n%u %u\n255\n", colour ? '6' : '5', width, height);
    b.size = (size_t)n + count * (colour ? 3 : 1);
    for (size_t i = 0; i < count * (colour ? 3 : 1); i++)
        b.data[(size_t)n + i] = colour ? rgb[i] : rgb[3 * i];
    return b;
}

// Runs of equal pixels only; a packet of one is a run as well.
static struct bytes tga_encode(bool runs, uint32_t width, uint32_t height, const uint8_t *rgb)
{
    const size_t count = (size_t)width * height;
    struct bytes b = new_bytes(18 + count * 4);
    uint8_t *p = b.data;
    p[2] = runs ? 10 : 2;
    put_le(p + 12, width, 2);
    put_le(p + 14, height, 2);
    p[16] = 24;
    p[17] = 0x20;               // rows from the top
    p += 18;
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        while (runs && run < 128 && i + run < count && !memcmp(rgb + 3 * i, rgb + 3 * (i + run), 3))
            run++;
        if (runs)
            *p++ = (uint8_t)(0x80 | (run - 1));
        for (unsigned c = 0; c < 3; c++)
            *p++ = rgb[3 * i + 2 - c];
        i += run;
    }
    b.size = (size_t)(p - b.data);
    return b;
}

static struct bytes psd_encode(uint32_t width, uint32_t height, const uint8_t *rgb)
{
    const size_t count = (size_t)width * height;
    struct bytes b = new_bytes(26 + 12 + 2 + count * 3);
    uint8_t *p = b.data;
    memcpy(p, "8BPS", 4);
    p = put_be(p + 4, 1, 2) + 6;
    p = put_be(p, 3, 2);
    p = put_be(p, height, 4);
    p = put_be(p, width, 4);
    p = put_be(p, 8, 2);
    p = put_be(p, 3, 2) + 12 + 2;
    for (unsigned c = 0; c < 3; c++)
        for (size_t i = 0; i < count; i++)
            *p++ = rgb[3 * i + c];
    return b;
}

struct bytes plain_encode(enum plain_kind kind, uint32_t width, uint32_t height, const uint8_t *rgb)
{
    switch (kind) {
    case PLAIN_BMP: return bmp_encode(width, height, rgb);
    case PLAIN_GIF: return gif_encode(width, height, rgb);
    case PLAIN_PPM: return pnm_encode(true, width, height, rgb);
    case PLAIN_PGM: return pnm_encode(false, width, height, rgb);
    case PLAIN_TGA: return tga_encode(false, width, height, rgb);
    case PLAIN_TGA_RLE: return tga_encode(true, width, height, rgb);
    default: return psd_encode(width, height, rgb);
    }
}

struct bytes image_sample(unsigned i)
{
    uint8_t raw[20 * 17 * 8];
    fill_random(raw, sizeof raw, 77);
    memset(raw + 100, 9, 500);          // something to run over
    switch (i) {
    case 0: return png_encode(20, 17, 2, 8, false, raw);
    case 1: return png_encode(20, 17, 3, 4, true, raw);
    case 2: return png_encode(20, 17, 6, 16, false, raw);
    case 3: return jpeg_encode(20, 17, JPEG_RGB_420, 90, raw);
    case 4: return jpeg_encode(20, 17, JPEG_PROGRESSIVE, 90, raw);
    case 5: return jpeg_encode(20, 17, JPEG_GREY, 90, raw);
    case 6: return jpeg_encode(20, 17, JPEG_YCCK, 90, raw);
    case 7: return png_encode(20, 17, 0, 1, false, raw);
    default: return plain_encode((enum plain_kind)(i - 8), 20, 17, raw);
    }
}

struct bytes damage(struct bytes whole, uint64_t seed)
{
    struct bytes b = new_bytes(whole.size);
    memcpy(b.data, whole.data, whole.size);
    const size_t span = next_random(&seed) % 2 && whole.size > 64 ? 64 : whole.size;
    for (uint32_t n = next_random(&seed) % 4 + 1; n; n--) {
        const size_t at = next_random(&seed) % span;
        b.data[at] ^= (uint8_t)(1u << next_random(&seed) % 8);
    }
    return b;
}

// ---- IDX and gzip ----

struct bytes idx_encode(uint32_t dims, const uint32_t sizes[3], const uint8_t *data, size_t size)
{
    struct bytes b = new_bytes(4 + 4 * dims + size);
    uint8_t *p = put_be(b.data, 0x800 + dims, 4);
    for (uint32_t i = 0; i < dims; i++)
        p = put_be(p, sizes[i], 4);
    if (size)
        memcpy(p, data, size);
    return b;
}

struct bytes gzip_encode(const uint8_t *data, size_t size)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size };
    need(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK, "gzip");
    struct bytes b = new_bytes(deflateBound(&z, (uLong)size) + 64);
    z.next_out = b.data;
    z.avail_out = (uInt)b.size;
    need(deflate(&z, Z_FINISH) == Z_STREAM_END, "gzip");
    b.size = z.total_out;
    deflateEnd(&z);
    return b;
}

struct bytes weights_encode(char value)
{
    static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    struct bytes b = { calloc(1, 8 + 64 + 4), 8 + 64 + 4 };
    need(b.data != NULL, "out of memory");
    b.data[0] = 64;
    memset(b.data + 8, ' ', 64);
    memcpy(b.data + 8, header, strlen(header));
    b.data[72] = (uint8_t)value;
    return b;
}

static void write_idx(const char *where, const char *part, const char *kind, struct bytes b, uint32_t dims, bool gzip)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s-%s-idx%u-ubyte%s", where, part, kind, dims, gzip ? ".gz" : "");
    if (gzip) {
        struct bytes packed = gzip_encode(b.data, b.size);
        free(b.data);
        b = packed;
    }
    temp_write_bytes(name, b);
}

void write_idx_set(const char *where, const char *part, uint32_t count, uint32_t height, uint32_t width, bool gzip)
{
    struct bytes pixels = new_bytes((size_t)count * height * width), labels = new_bytes(count);
    fill_random(pixels.data, pixels.size, count);
    for (uint32_t i = 0; i < count; i++)
        labels.data[i] = (uint8_t)(i % 10);
    write_idx(where, part, "images", idx_encode(3, (uint32_t[3]) { count, height, width }, pixels.data, pixels.size),
              3, gzip);
    write_idx(where, part, "labels", idx_encode(1, (uint32_t[3]) { count, 1, 1 }, labels.data, labels.size), 1, gzip);
    free(pixels.data);
    free(labels.data);
}

// ---- Messages ----

void collect_log(void *user, enum vkd_log_level level, const char *text)
{
    struct messages *m = user;
    size_t used = strlen(m->text);
    m->count++;
    m->warnings += level == VKD_LOG_WARNING;
    m->errors += level == VKD_LOG_ERROR;
    snprintf(m->text + used, sizeof m->text - used, "%s\n", text);
}
