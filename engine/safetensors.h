// safetensors.h -- reading and writing safetensors files: 8 bytes of header size, a JSON header,
// raw little-endian data. Internal to engine/.
//
// Format: https://huggingface.co/docs/safetensors. The reader trusts nothing in the file.
#ifndef VKD_SAFETENSORS_H
#define VKD_SAFETENSORS_H

#include <vkdiv/base.h>

// X(name, bytes of an element)
#define VKD__ST_TYPES(X)                                                                            \
    X(BOOL, 1) X(U8, 1) X(I8, 1) X(F8_E5M2, 1) X(F8_E4M3, 1) X(U16, 2) X(I16, 2) X(F16, 2) X(BF16, 2) \
    X(U32, 4) X(I32, 4) X(F32, 4) X(U64, 8) X(I64, 8) X(F64, 8)

enum vkd__st_type {
#define X(name, size) VKD__ST_##name,
    VKD__ST_TYPES(X)
#undef X
    VKD__ST_TYPE_COUNT
};

enum { VKD__ST_RANK_MAX = 8 };

struct vkd__st_tensor {
    const char *name;
    enum vkd__st_type type;
    uint32_t rank;                      // 0: a scalar
    uint64_t shape[VKD__ST_RANK_MAX];
    uint64_t numel;
    const void *data;                   // in the file: not aligned
};

struct vkd__st_pair { const char *key, *value; };

// ---- Reading ----

typedef struct vkd__st_file vkd__st_file;

// Maps `path` and checks all of its header: sizes, types, shapes, and that the tensors fill the
// data without gap or overlap. What the functions below return lives until the file is closed.
//
//   VKD_IO      the file cannot be read
//   VKD_FORMAT  it is not a safetensors file (the log says what is wrong with it)
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__st_open(const char *path, const struct vkd_log *log, vkd__st_file **out);
void vkd__st_close(vkd__st_file **f);

uint32_t vkd__st_count(const vkd__st_file *f);
const struct vkd__st_tensor *vkd__st_at(const vkd__st_file *f, uint32_t index);         // by place in the file
const struct vkd__st_tensor *vkd__st_find(const vkd__st_file *f, const char *name);     // NULL if absent
const char *vkd__st_metadata(const vkd__st_file *f, const char *key);                   // NULL if absent

// "F32", ...
const char *vkd__st_type_name(enum vkd__st_type type);
// "(8, 3, 3)".
void vkd__st_shape_text(const uint64_t *shape, uint32_t rank, char text[64]);
// The bytes of `t`, by type and shape.
uint64_t vkd__st_size(const struct vkd__st_tensor *t);
// The elements begin ... begin+count-1 of `t` as floats. False for the 8-bit float types.
bool vkd__st_floats(const struct vkd__st_tensor *t, uint64_t begin, uint64_t count, float *out);
// Refuses numbers that are not finite, of the file `path`: the log counts them.
//
//   VKD_FORMAT
VKD_CHECKED vkd_result vkd__st_check_finite(const struct vkd__st_tensor *t, const char *path, const struct vkd_log *log);

// ---- Writing ----

// Replaces `path` atomically. Order is that of `tensors` and `pairs`; equal input gives equal
// bytes. Only F32, I64, I8 and U8 are ever written. `numel` is computed from the shape.
//
//   VKD_INVALID  two equal names, or text that is not UTF-8
//   VKD_IO, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__st_write(const char *path, const struct vkd_log *log, const struct vkd__st_tensor *tensors,
                                     uint32_t count, const struct vkd__st_pair *pairs, uint32_t pair_count);

#endif
