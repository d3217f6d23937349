// spirv.c -- what a compute module says of itself: bindings, push constants, workgroup, capabilities.
//
// The numbers are those of the SPIR-V specification (version 1.5, section 3).
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
    OP_ENTRY_POINT = 15, OP_EXECUTION_MODE = 16, OP_CAPABILITY = 17, OP_TYPE_INT = 21, OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23, OP_TYPE_MATRIX = 24, OP_TYPE_IMAGE = 25, OP_TYPE_SAMPLED_IMAGE = 27, OP_TYPE_ARRAY = 28,
    OP_TYPE_STRUCT = 30, OP_TYPE_POINTER = 32, OP_CONSTANT = 43, OP_CONSTANT_COMPOSITE = 44, OP_SPEC_CONSTANT = 50,
    OP_SPEC_CONSTANT_COMPOSITE = 51, OP_FUNCTION = 54, OP_VARIABLE = 59, OP_DECORATE = 71, OP_MEMBER_DECORATE = 72,
    OP_EXECUTION_MODE_ID = 331,

    DEC_SPEC_ID = 1, DEC_ARRAY_STRIDE = 6, DEC_MATRIX_STRIDE = 7, DEC_BUILT_IN = 11, DEC_NON_WRITABLE = 24,
    DEC_NON_READABLE = 25, DEC_BINDING = 33, DEC_DESCRIPTOR_SET = 34, DEC_OFFSET = 35,

    CLASS_UNIFORM_CONSTANT = 0, CLASS_UNIFORM = 2, CLASS_WORKGROUP = 4, CLASS_PUSH_CONSTANT = 9, CLASS_STORAGE = 12,
    MODEL_GL_COMPUTE = 5, MODE_LOCAL_SIZE = 17, MODE_LOCAL_SIZE_ID = 38, BUILT_IN_WORKGROUP_SIZE = 25, DIM_BUFFER = 5,
    NONE = -1,
};

// What is known of one result id.
struct id {
    const uint32_t *at;         // its instruction, or NULL
    int64_t spec, binding, set, stride, built_in;
    bool no_write, no_read;     // decorations of the variable itself
};

struct reader {
    struct id *ids;
    uint32_t bound;
    const uint32_t *words, *end;
    const uint32_t *spec;
    uint32_t spec_count;
    struct vkd__module *out;
    const uint32_t *local_ids;  // of LocalSizeId
    bool compute;
    char *why;
    size_t why_size;
};

static VKD_PRINTF(2, 3) vkd_result bad(struct reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
    return VKD_FORMAT;
}

static uint32_t op_of(const uint32_t *at) { return at ? at[0] & 0xffff : 0; }
static uint32_t length_of(const uint32_t *at) { return at[0] >> 16; }
static const uint32_t *type_at(const struct reader *r, uint32_t id) { return id < r->bound ? r->ids[id].at : NULL; }

// The value of a 32-bit constant under the given specialisation.
static uint32_t constant(const struct reader *r, uint32_t id)
{
    const uint32_t *at = type_at(r, id);
    if (op_of(at) == OP_SPEC_CONSTANT && r->ids[id].spec >= 0 && r->ids[id].spec < r->spec_count)
        return r->spec[r->ids[id].spec];
    return op_of(at) == OP_CONSTANT || op_of(at) == OP_SPEC_CONSTANT ? at[3] : 0;
}

// The operand of decoration `dec` on member `member` of a struct; NONE when it is not there.
static int64_t member_decoration(const struct reader *r, uint32_t id, uint32_t member, uint32_t dec)
{
    for (const uint32_t *at = r->words; at < r->end; at += length_of(at)) {
        if (op_of(at) == OP_FUNCTION)
            break;
        if (op_of(at) == OP_MEMBER_DECORATE && at[1] == id && at[2] == member && at[3] == dec)
            return length_of(at) > 4 ? at[4] : 0;
    }
    return NONE;
}

// Bytes of a type: with explicit layout in a push block, tightly packed in shared memory (there a
// lower bound: a size computed from specialisation constants counts as 0).
static uint64_t type_size(const struct reader *r, uint32_t id, int depth)
{
    const uint32_t *at = type_at(r, id);
    uint64_t size = 0;
    if (depth > 5)
        return 0;
    switch (op_of(at)) {
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT:
        return at[2] / 8;
    case OP_TYPE_VECTOR:
    case OP_TYPE_MATRIX:
        return type_size(r, at[2], depth + 1) * at[3];
    case OP_TYPE_ARRAY: {
        uint64_t n = constant(r, at[3]);
        return n * (r->ids[id].stride > 0 ? (uint64_t) r->ids[id].stride : type_size(r, at[2], depth + 1));
    }
    case OP_TYPE_STRUCT:
        for (uint32_t i = 0; i + 2 < length_of(at); i++) {
            int64_t ofs = member_decoration(r, id, i, DEC_OFFSET);
            int64_t stride = member_decoration(r, id, i, DEC_MATRIX_STRIDE);
            const uint32_t *member = type_at(r, at[2 + i]);
            uint64_t n = stride > 0 && op_of(member) == OP_TYPE_MATRIX ? (uint64_t) stride * member[3]
                                                                       : type_size(r, at[2 + i], depth + 1);
            uint64_t end = (ofs < 0 ? size : (uint64_t) ofs) + n;
            size = end > size ? end : size;
        }
        return size;
    default:
        return 0;
    }
}

static void decorate(struct id *id, uint32_t dec, uint32_t value)
{
    switch (dec) {
    case DEC_SPEC_ID:        id->spec = value; break;
    case DEC_ARRAY_STRIDE:   id->stride = value; break;
    case DEC_BUILT_IN:       id->built_in = value; break;
    case DEC_BINDING:        id->binding = value; break;
    case DEC_DESCRIPTOR_SET: id->set = value; break;
    case DEC_NON_WRITABLE:   id->no_write = true; break;
    case DEC_NON_READABLE:   id->no_read = true; break;
    }
}

// The fewest words that reading an instruction below touches.
static uint32_t least_length(uint32_t op)
{
    switch (op) {
    case OP_CAPABILITY: return 2;
    case OP_ENTRY_POINT: case OP_EXECUTION_MODE: case OP_EXECUTION_MODE_ID: case OP_TYPE_FLOAT: case OP_DECORATE:
    case OP_TYPE_SAMPLED_IMAGE: return 3;
    case OP_TYPE_INT: case OP_TYPE_VECTOR: case OP_TYPE_MATRIX: case OP_TYPE_ARRAY: case OP_TYPE_POINTER:
    case OP_CONSTANT: case OP_SPEC_CONSTANT: case OP_VARIABLE: case OP_MEMBER_DECORATE: return 4;
    case OP_TYPE_IMAGE: return 9;
    case OP_TYPE_STRUCT: return 2;
    default: return 1;
    }
}

// First pass: modes, capabilities, decorations, and where each id is defined.
static vkd_result index_module(struct reader *r)
{
    struct vkd__module *m = r->out;
    for (const uint32_t *at = r->words; at < r->end; at += length_of(at)) {
        uint32_t op = op_of(at), n = length_of(at), result = 0;
        if (!n || n > (size_t) (r->end - at) || n < least_length(op))
            return bad(r, "an instruction is cut short");
        switch (op) {
        case OP_FUNCTION:
            return VKD_OK;      // all that matters stands before the first function
        case OP_CAPABILITY:
            if (m->capability_count == sizeof(m->capabilities) / sizeof(m->capabilities[0]))
                return bad(r, "it declares too many capabilities");
            m->capabilities[m->capability_count++] = at[1];
            break;
        case OP_ENTRY_POINT:
            r->compute = r->compute || at[1] == MODEL_GL_COMPUTE;
            break;
        case OP_EXECUTION_MODE:
            if (at[2] == MODE_LOCAL_SIZE && n == 6)
                memcpy(m->local_size, at + 3, sizeof(m->local_size));
            break;
        case OP_EXECUTION_MODE_ID:
            if (at[2] == MODE_LOCAL_SIZE_ID && n == 6)
                r->local_ids = at + 3;
            break;
        case OP_DECORATE:
            if (at[1] < r->bound)
                decorate(&r->ids[at[1]], at[2], n > 3 ? at[3] : 0);
            break;
        case OP_TYPE_INT: case OP_TYPE_FLOAT: case OP_TYPE_VECTOR: case OP_TYPE_MATRIX: case OP_TYPE_IMAGE:
        case OP_TYPE_SAMPLED_IMAGE: case OP_TYPE_ARRAY: case OP_TYPE_STRUCT: case OP_TYPE_POINTER:
            result = at[1];
            break;
        case OP_CONSTANT: case OP_SPEC_CONSTANT: case OP_CONSTANT_COMPOSITE: case OP_SPEC_CONSTANT_COMPOSITE:
        case OP_VARIABLE:
            result = n > 2 ? at[2] : 0;
            break;
        }
        if (result && result < r->bound)
            r->ids[result].at = at;
    }
    return VKD_OK;
}

// A qualifier counts when it stands on the variable or on every member of its block.
static bool all_members(const struct reader *r, uint32_t type, uint32_t dec)
{
    const uint32_t *at = type_at(r, type);
    if (op_of(at) != OP_TYPE_STRUCT || length_of(at) == 2)
        return false;
    for (uint32_t i = 0; i + 2 < length_of(at); i++) {
        if (member_decoration(r, type, i, dec) == NONE)
            return false;
    }
    return true;
}

static vkd_result read_variable(struct reader *r, const uint32_t *at)
{
    struct vkd__module *m = r->out;
    uint32_t id = at[2], storage = at[3];
    const uint32_t *pointer = type_at(r, at[1]);
    if (op_of(pointer) != OP_TYPE_POINTER || id >= r->bound)
        return bad(r, "a variable has no pointer type");
    uint32_t type = pointer[3];
    if (storage == CLASS_PUSH_CONSTANT)
        m->push_size = (uint32_t) type_size(r, type, 0);
    if (storage == CLASS_WORKGROUP)
        m->shared_size += (uint32_t) type_size(r, type, 0);
    if (storage != CLASS_STORAGE && storage != CLASS_UNIFORM_CONSTANT && storage != CLASS_UNIFORM)
        return VKD_OK;

    const struct id *v = &r->ids[id];
    if (v->set > 0 || v->binding < 0 || v->binding >= VKD_BINDING_MAX)
        return bad(r, "a binding must be in set 0 and below %d", VKD_BINDING_MAX);
    struct vkd__binding *b = &m->bindings[v->binding];
    if (b->kind != VKD__BINDING_NONE)
        return bad(r, "binding %d is used twice", (int) v->binding);
    if (storage == CLASS_STORAGE) {
        *b = (struct vkd__binding) {
            .kind = VKD__BINDING_STORAGE,
            .reads = !v->no_read && !all_members(r, type, DEC_NON_READABLE),
            .writes = !v->no_write && !all_members(r, type, DEC_NON_WRITABLE),
        };
    } else {
        const uint32_t *sampled = type_at(r, type);
        const uint32_t *image = op_of(sampled) == OP_TYPE_SAMPLED_IMAGE ? type_at(r, sampled[2]) : NULL;
        if (op_of(image) != OP_TYPE_IMAGE || image[3] != DIM_BUFFER)
            return bad(r, "binding %d is neither a storage buffer nor a samplerBuffer", (int) v->binding);
        *b = (struct vkd__binding) {
            .kind = VKD__BINDING_TEXEL,
            .texel_size = op_of(type_at(r, image[2])) == OP_TYPE_FLOAT ? 16 : 8,
            .reads = true,
        };
    }
    if (v->binding + 1 > m->binding_count)
        m->binding_count = (uint32_t) v->binding + 1;
    return VKD_OK;
}

// A constant decorated WorkgroupSize overrules LocalSize.
static void read_local_size(struct reader *r)
{
    const uint32_t *sizes = r->local_ids;
    for (uint32_t i = 0; i < r->bound; i++) {
        const uint32_t *at = r->ids[i].at;
        if (r->ids[i].built_in == BUILT_IN_WORKGROUP_SIZE && at && length_of(at) == 6)
            sizes = at + 3;
    }
    for (int i = 0; sizes && i < 3; i++)
        r->out->local_size[i] = constant(r, sizes[i]);
}

vkd_result vkd__spirv_read(const uint32_t *words, size_t size, const uint32_t *spec, uint32_t spec_count,
                           struct vkd__module *out, char *why, size_t why_size)
{
    struct reader r = { .spec = spec, .spec_count = spec_count, .out = out, .why = why, .why_size = why_size };
    vkd_result result;
    *out = (struct vkd__module) { 0 };
    if (size < 20 || size % 4 || words[0] != 0x07230203 || words[3] > size)
        return bad(&r, "it is not a SPIR-V module");
    r.words = words + 5;
    r.end = words + size / 4;
    r.bound = words[3];
    r.ids = calloc(r.bound + 1, sizeof(*r.ids));
    if (!r.ids) {
        (void) bad(&r, "out of host memory");
        return VKD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < r.bound; i++)
        r.ids[i] = (struct id) { .spec = NONE, .binding = NONE, .set = NONE, .stride = NONE, .built_in = NONE };
    TRY(index_module(&r));
    for (uint32_t i = 0; i < r.bound; i++) {
        if (op_of(r.ids[i].at) == OP_VARIABLE)
            TRY(read_variable(&r, r.ids[i].at));
        if (r.ids[i].spec >= out->spec_count)
            out->spec_count = (uint32_t) r.ids[i].spec + 1;
    }
    read_local_size(&r);
    if (!r.compute || !out->local_size[0] || !out->local_size[1] || !out->local_size[2])
        result = bad(&r, "it has no compute entry point with a workgroup size");
fail:
    free(r.ids);
    return result;
}
