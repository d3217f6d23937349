// test_safetensors.c -- files written and read back, and files that lie.
#include "engine/safetensors.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char path[] = "test_safetensors.tmp";
static char last_log[1024];

static void keep(void *user, enum vkd_log_level level, const char *text)
{
    (void) user;
    (void) level;
    snprintf(last_log, sizeof(last_log), "%s", text);
}
static const struct vkd_log log_to = { keep, NULL };

static void put(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

// Writes a file of `header` and `data_size` zero bytes, opens it, and closes it again.
static vkd_result open_header(const char *header, size_t data_size)
{
    size_t length = strlen(header);
    uint8_t *bytes = calloc(1, 8 + length + data_size);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t) ((uint64_t) length >> 8 * i);
    memcpy(bytes + 8, header, length);
    put(bytes, 8 + length + data_size);
    free(bytes);
    vkd__st_file *f = NULL;
    vkd_result r = vkd__st_open(path, &log_to, &f);
    ck_assert((r == VKD_OK) == (f != NULL));
    vkd__st_close(&f);
    return r;
}

START_TEST(round_trip)
{
    const float a[6] = { 1, -2, 3.5f, 0, 1e-30f, INFINITY };
    const int64_t n = 7;
    const struct vkd__st_tensor tensors[] = {
        { .name = "n", .type = VKD__ST_I64, .data = &n },
        { .name = "z.weight", .type = VKD__ST_F32, .rank = 2, .shape = { 2, 3 }, .data = a },
        { .name = "empty", .type = VKD__ST_F32, .rank = 2, .shape = { 0, 3 }, .data = NULL },
        { .name = "a.bias", .type = VKD__ST_F32, .rank = 1, .shape = { 1 }, .data = a + 2 },
    };
    const struct vkd__st_pair pairs[] = { { "format", "pt" }, { "text", "\"quoted\" \xc3\xa4" } };
    ck_assert_int_eq(vkd__st_write(path, &log_to, tensors, 4, pairs, 2), VKD_OK);

    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_OK);
    ck_assert_uint_eq(vkd__st_count(f), 4);
    ck_assert_str_eq(vkd__st_at(f, 0)->name, "n");
    ck_assert_ptr_null(vkd__st_at(f, 4));
    ck_assert_ptr_null(vkd__st_find(f, "missing"));
    ck_assert_ptr_null(vkd__st_metadata(f, "missing"));
    ck_assert_str_eq(vkd__st_metadata(f, "text"), pairs[1].value);
    const struct vkd__st_tensor *t = vkd__st_find(f, "z.weight");
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->rank, 2);
    ck_assert_uint_eq(t->shape[1], 3);
    ck_assert_uint_eq(t->numel, 6);
    float back[6], counter;
    ck_assert(vkd__st_floats(t, 0, 6, back));
    ck_assert(!memcmp(back, a, sizeof(a)));
    ck_assert(vkd__st_floats(vkd__st_find(f, "n"), 0, 1, &counter));
    ck_assert_float_eq(counter, 7);
    ck_assert_uint_eq(vkd__st_find(f, "empty")->numel, 0);
    vkd__st_close(&f);
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(equal_names_are_refused)
{
    const float a = 1;
    const struct vkd__st_tensor twice[] = {
        { .name = "a", .type = VKD__ST_F32, .data = &a }, { .name = "a", .type = VKD__ST_F32, .data = &a },
    };
    ck_assert_int_eq(vkd__st_write(path, &log_to, twice, 2, NULL, 0), VKD_INVALID);
    const struct vkd__st_tensor bad = { .name = "\xff", .type = VKD__ST_F32, .data = &a };
    ck_assert_int_eq(vkd__st_write(path, &log_to, &bad, 1, NULL, 0), VKD_INVALID);
    ck_assert_int_eq(vkd__st_write("no/such/folder/x", &log_to, twice, 1, NULL, 0), VKD_IO);
}
END_TEST

START_TEST(types)
{
    // 1.5, -2, the smallest subnormal and infinity as F16; 1.5 and -2 as BF16; -3 as I8.
    static const uint8_t data[] = {
        0x00, 0x3e, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c,   0xc0, 0x3f, 0x00, 0xc0,   0xfd,
    };
    const char *header = "{\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"
                         "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[8,12]},"
                         "\"e\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[12,13]}}";
    uint8_t bytes[512] = { 0 };
    bytes[0] = (uint8_t) strlen(header);
    memcpy(bytes + 8, header, strlen(header));
    memcpy(bytes + 8 + strlen(header), data, sizeof(data));
    put(bytes, 8 + strlen(header) + sizeof(data));

    vkd__st_file *f = NULL;
    float v[4];
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_OK);
    ck_assert(vkd__st_floats(vkd__st_find(f, "h"), 0, 4, v));
    ck_assert(v[0] == 1.5f && v[1] == -2 && v[2] == ldexpf(1, -24) && isinf(v[3]));
    ck_assert(vkd__st_floats(vkd__st_find(f, "b"), 0, 2, v));
    ck_assert(v[0] == 1.5f && v[1] == -2);
    ck_assert(vkd__st_floats(vkd__st_find(f, "b"), 1, 1, v));
    ck_assert(v[0] == -2);
    ck_assert(vkd__st_floats(vkd__st_find(f, "e"), 0, 1, v));
    ck_assert(v[0] == -3);
    vkd__st_close(&f);
}
END_TEST

#define TENSOR(name, type, shape, range) "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" range "}"

static const struct { const char *header; size_t data; bool good; } headers[] = {
    { "{}", 0, true },
    { "{}   ", 0, true },
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 8, true },
    { "{" TENSOR("b", "F32", "[1]", "[4,8]") "," TENSOR("a", "F32", "[1]", "[0,4]") "}", 8, true },
    { "{" TENSOR("a", "F32", "[0]", "[0,0]") "," TENSOR("b", "F32", "[1]", "[0,4]") "}", 4, true },
    { "{\"__metadata__\":{\"k\":\"v\"}," TENSOR("a", "I64", "[]", "[0,8]") "}", 8, true },
    { "", 0, false },
    { "[]", 0, false },
    { "{", 0, false },
    { "{}x", 0, false },
    { "{}", 4, false },                                                                         // unused data
    { "{\"__metadata__\":{\"k\":1}}", 0, false },
    { "{\"__metadata__\":[]}", 0, false },
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 7, false },                                  // truncated
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 9, false },
    { "{" TENSOR("a", "F32", "[3]", "[0,8]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[2]", "[8,0]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[2]", "[-8,0]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[2]", "[0,8.0]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[2]", "[0]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[2]", "8") "}", 8, false },
    { "{" TENSOR("a", "F32", "[-2]", "[0,8]") "}", 8, false },
    { "{" TENSOR("a", "F32", "2", "[0,8]") "}", 8, false },
    { "{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, false },
    { "{" TENSOR("a", "F31", "[2]", "[0,8]") "}", 8, false },
    { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":7}", 0, false },
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("a", "F32", "[2]", "[0,8]") "}", 8, false },    // same name
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[0,8]") "}", 8, false },    // same place
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[4,12]") "}", 12, false },  // overlap
    { "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[1]", "[12,16]") "}", 16, false }, // gap
    // 2^32 * 2^32 elements, and 2^62 elements of 4 bytes: both 0 in 64 bits.
    { "{" TENSOR("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, false },
    { "{" TENSOR("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, false },
    { "{" TENSOR("a", "F32", "[18446744073709551616]", "[0,0]") "}", 0, false },
};

START_TEST(hostile_header)
{
    last_log[0] = 0;
    vkd_result r = open_header(headers[_i].header, headers[_i].data);
    ck_assert_msg(r == (headers[_i].good ? VKD_OK : VKD_FORMAT), "%s gave %d", headers[_i].header, r);
    ck_assert_msg(headers[_i].good == !last_log[0], "%s: %s", headers[_i].header, last_log);
}
END_TEST

START_TEST(hostile_size)
{
    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open("no such file", &log_to, &f), VKD_IO);
    put("", 0);
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_FORMAT);
    put("\x02\0\0", 3);
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_FORMAT);
    put("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_FORMAT);
    put("\x03\0\0\0\0\0\0\0{}", 10);
    ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_FORMAT);
    ck_assert_ptr_null(f);
}
END_TEST

// Every truncation is refused; every changed byte is refused or read without harm.
START_TEST(damaged)
{
    const char *header = "{" TENSOR("ab", "F32", "[2,1]", "[0,8]") "," TENSOR("c", "F16", "[3]", "[8,14]") "}";
    uint8_t bytes[256] = { 0 };
    size_t length = strlen(header), size = 8 + length + 14;
    bytes[0] = (uint8_t) length;
    memcpy(bytes + 8, header, length);
    vkd__st_file *f = NULL;
    for (size_t cut = 0; cut < size; cut++) {
        put(bytes, cut);
        ck_assert_int_eq(vkd__st_open(path, &log_to, &f), VKD_FORMAT);
    }
    for (size_t at = 0; at < 8 + length; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t) (1u << bit);
            put(bytes, size);
            if (vkd__st_open(path, &log_to, &f) == VKD_OK) {
                float v[64];
                for (uint32_t i = 0; i < vkd__st_count(f); i++)
                    if (vkd__st_at(f, i)->numel <= 64)
                        vkd__st_floats(vkd__st_at(f, i), 0, vkd__st_at(f, i)->numel, v);
                vkd__st_close(&f);
            }
            bytes[at] ^= (uint8_t) (1u << bit);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, equal_names_are_refused);
    tcase_add_test(t, types);
    tcase_add_loop_test(t, hostile_header, 0, sizeof(headers) / sizeof(headers[0]));
    tcase_add_test(t, hostile_size);
    tcase_add_test(t, damaged);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove(path);
    return failed != 0;
}
