// image_stb.c -- BMP, GIF (first picture), PSD and TGA through stb_image.
#include "image.h"

#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
  #pragma GCC diagnostic ignored "-Wunused-function"    // judged at the end of the file: not popped
  #pragma GCC diagnostic push
  #pragma GCC diagnostic ignored "-Wunused-but-set-variable"
  #pragma GCC diagnostic ignored "-Wsign-compare"
  #pragma GCC diagnostic ignored "-Wshadow"
  #pragma GCC diagnostic ignored "-Wundef"
  #pragma GCC diagnostic ignored "-Wmissing-prototypes"
  #pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
// PNG, JPEG and PNM have better decoders here; HDR and PIC do not occur in image sets.
#define STBI_NO_STDIO
#define STBI_NO_PNG
#define STBI_NO_JPEG
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PIC
#define STBI_NO_PNM
#define STBI_MAX_DIMENSIONS 65536     // sizes are checked here, with a better message
#define STBI_ASSERT(x) ((void)(x))     // a library does not end the process
#define STBIDEF static
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#if defined(__GNUC__)
  #pragma GCC diagnostic pop
#endif

// stb_image fills a cut file up with zeros. Reading it through callbacks shows the attempt to read
// behind the end, which makes such a file an error as in the other codecs. It reads ahead into a buffer of
// its own, seen in the first call: there only a read that gets nothing is one behind the end.
struct source { const uint8_t *data; size_t size, at; const char *ahead; bool overrun; };

static int source_read(void *user, char *data, int size)
{
    struct source *s = user;
    size_t n = size > 0 ? (size_t)size : 0, left = s->size - s->at;
    if (!s->ahead)
        s->ahead = data;
    if (n > left) {
        s->overrun = s->overrun || data != s->ahead || !left;
        n = left;
    }
    if (n)
        memcpy(data, s->data + s->at, n);
    s->at += n;
    return (int)n;
}

static void source_skip(void *user, int n)
{
    struct source *s = user;
    if (n < 0)
        s->at -= (size_t)-(int64_t)n < s->at ? (size_t)-(int64_t)n : s->at;
    else
        s->at += (size_t)n < s->size - s->at ? (size_t)n : s->size - s->at;
}

static int source_eof(void *user)
{
    const struct source *s = user;
    return s->at >= s->size;
}

static const stbi_io_callbacks callbacks = { .read = source_read, .skip = source_skip, .eof = source_eof };

static bool stb_sniff(const uint8_t *data, uint64_t size)
{
    if (size < 4)
        return false;
    return !memcmp(data, "GIF8", 4) || !memcmp(data, "8BPS", 4) || !memcmp(data, "BM", 2);
}

// From 1 (grey), 2 (grey, alpha), 3 or 4 channels. stb_image's own conversion is not asked for.
static void expand(const uint8_t *in, size_t count, unsigned channels, uint8_t *rgba)
{
    const unsigned step = channels > 2 ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        for (unsigned c = 0; c < 3; c++)
            rgba[i * 4 + c] = in[i * channels + c * step];
        rgba[i * 4 + 3] = 255;
    }
}

static vkd_result stb_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                             struct vkd_image *out, uint32_t *full_height, uint32_t *full_width,
                             struct vkd__why *why)
{
    (void)short_side;
    (void)max_side;
    if (size > INT32_MAX)
        return vkd__image_bad(why, "%llu bytes are too many for one image", (unsigned long long)size);
    struct source source = { .data = data, .size = (size_t)size };
    int width = 0, height = 0, channels = 0;
    if (!stbi_info_from_callbacks(&callbacks, &source, &width, &height, &channels)) {
        if (!stb_sniff(data, size))
            return vkd__image_bad(why, "not an image of a known format (PNG, JPEG, BMP, GIF, PSD, PNM, TGA)");
        return vkd__image_bad(why, "broken image header: %s", stbi_failure_reason());
    }
    if (!width && !height)
        return vkd__image_bad(why, "broken image header: it gives no size");
    vkd_result r = vkd__image_check_size(height > 0 ? (uint64_t)height : 0, width > 0 ? (uint64_t)width : 0, why);
    if (r != VKD_OK)
        return r;
    source = (struct source) { .data = data, .size = (size_t)size };
    int loaded_width = 0, loaded_height = 0;
    uint8_t *loaded = stbi_load_from_callbacks(&callbacks, &source, &loaded_width, &loaded_height, &channels, 0);
    if (!loaded) {
        const char *text = stbi_failure_reason();
        bool memory = text && !strcmp(text, "outofmem");
        (void)vkd__image_bad(why, "broken image: %s", text ? text : "no reason given");
        return memory ? VKD_NO_MEMORY : VKD_FORMAT;
    }
    if (source.overrun || loaded_width != width || loaded_height != height) {
        stbi_image_free(loaded);
        return vkd__image_bad(why, source.overrun ? "the image is cut off: data ends before the last pixel"
                                                  : "the image contradicts its own header");
    }
    r = vkd__image_alloc((uint32_t)height, (uint32_t)width, out, why);
    if (r == VKD_OK) {
        expand(loaded, (size_t)width * (size_t)height, (unsigned)channels, out->pixels);
        *full_height = out->height;
        *full_width = out->width;
    }
    stbi_image_free(loaded);
    return r;
}

const struct vkd__codec vkd__codec_stb = { .name = "stb_image", .sniff = stb_sniff, .decode = stb_decode };
