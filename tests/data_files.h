// data_files.h -- files that the data tests and fuzzers make for themselves.
#ifndef VKD_TEST_DATA_FILES_H
#define VKD_TEST_DATA_FILES_H

#include <vkdiv/base.h>

struct bytes { uint8_t *data; size_t size; };      // malloc'd

// A folder of this process's own below /tmp, made on the first call, and a path in it (four may be held).
const char *temp_folder(void);
const char *temp_path(const char *format, ...) VKD_PRINTF(1, 2);
bool temp_remove(void);
// Writes a file below the folder, with the folders above it.
void temp_write(const char *name, const void *data, size_t size);
void temp_write_bytes(const char *name, struct bytes b);    // frees b

uint32_t next_random(uint64_t *state);
void fill_random(uint8_t *data, size_t size, uint64_t seed);

// ---- Encoders. Pixels are packed as the format's own samples, rows from the top ----

// PNG colour types 0, 2, 3 (palette of 1 << depth colours: index i is 3 i + 1, 5 i + 2, 7 i + 3 modulo
// 256, with transparency), 4, 6; 16-bit samples big-endian.
struct bytes png_encode(uint32_t width, uint32_t height, uint8_t type, uint8_t depth, bool interlaced,
                        const uint8_t *raw);
size_t png_row_bytes(uint32_t width, uint8_t type, uint8_t depth);
struct bytes png_random(uint32_t width, uint32_t height, uint64_t seed);    // RGB, 8 bits

enum jpeg_kind { JPEG_RGB_444, JPEG_RGB_420, JPEG_GREY, JPEG_PROGRESSIVE, JPEG_YCCK };
// `pixels`: 3 bytes each, 1 for grey, 4 for YCCK (stored, that is inverted, values).
struct bytes jpeg_encode(uint32_t width, uint32_t height, enum jpeg_kind kind, int quality, const uint8_t *pixels);

enum plain_kind { PLAIN_BMP, PLAIN_GIF, PLAIN_PPM, PLAIN_PGM, PLAIN_TGA, PLAIN_TGA_RLE, PLAIN_PSD, PLAIN_COUNT };
// `rgb`: 3 bytes each; PGM takes the first, GIF the seven low bits of the first as a grey index.
struct bytes plain_encode(enum plain_kind kind, uint32_t width, uint32_t height, const uint8_t *rgb);

// One small image of each format and kind that matters; i below IMAGE_SAMPLES.
enum { IMAGE_SAMPLES = 15 };
struct bytes image_sample(unsigned i);
// Copies `whole` with one to four bits flipped, half of the time near its start, where the sizes are.
struct bytes damage(struct bytes whole, uint64_t seed);

// IDX of dims 1 or 3 and gzip, which may be given several times for one file.
struct bytes idx_encode(uint32_t dims, const uint32_t sizes[3], const uint8_t *data, size_t size);
struct bytes gzip_encode(const uint8_t *data, size_t size);

// Writes FOLDER/{train,t10k}-...: `count` random images of height x width, labels i % 10.
void write_idx_set(const char *folder, const char *part, uint32_t count, uint32_t height, uint32_t width, bool gzip);

// A safetensors file of one number, one byte of which is `value`.
struct bytes weights_encode(char value);

// ---- Messages ----

struct messages { char text[16384]; unsigned count, warnings, errors; };
#define LOG_TO(m) ((struct vkd_log) { .fn = collect_log, .user = (m) })
void collect_log(void *user, enum vkd_log_level level, const char *text);

#endif
