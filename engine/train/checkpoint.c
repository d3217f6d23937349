// checkpoint.c -- saving and loading the state of a run.
#include "checkpoint.h"
#include "../safetensors.h"
#include "../../runtime/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { STATES_MAX = 8 };

static const char prefix[] = "step-", suffix[] = ".done";

// The flat buffers of a run by name: "values" and the optimiser's states.
static uint32_t flat_ranges(const vkd_params *params, const vkd_optimizer *opt, const char **names, struct vkd_range *ranges)
{
    uint32_t count;
    const struct vkd_optimizer_state *states = vkd_optimizer_states(opt, &count);
    names[0] = "values";
    ranges[0] = vkd_params_values(params);
    for (uint32_t i = 0; i < count && i + 1 < STATES_MAX; i++) {
        names[i + 1] = states[i].name;
        ranges[i + 1] = states[i].range;
    }
    return count + 1;
}

static vkd_result say(const struct vkd_log *log, const struct vkd__why *why, vkd_result r)
{
    if (r < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why->text);
    return r;
}

static vkd_result file_hash(const char *path, const struct vkd_log *log, uint64_t *hash)
{
    const uint8_t *data;
    uint64_t size;
    struct vkd__why why;
    vkd_result r = say(log, &why, vkd__file_map(path, &data, &size, &why));
    if (r < 0)
        return r;
    *hash = XXH64(data, size, 0);
    vkd__file_unmap(data, size);
    return VKD_OK;
}

// The steps of the complete checkpoints in DIR/state, ascending; returns how many (at most `max`).
static uint32_t list_steps(const char *dir, uint64_t *steps, uint32_t max)
{
    char path[4096], **names;
    struct vkd__why why;
    uint32_t count = 0, found = 0;
    snprintf(path, sizeof(path), "%s/state", dir);
    if (vkd__dir_list(path, &names, &count, &why) < 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step;
        char end[16] = "";
        if (sscanf(names[i], "step-%" SCNu64 "%15s", &step, end) != 2 || strcmp(end, suffix))
            continue;
        if (found == max)
            memmove(steps, steps + 1, (--found) * sizeof(*steps));
        uint32_t at = found++;
        for (; at > 0 && steps[at - 1] > step; at--)
            steps[at] = steps[at - 1];
        steps[at] = step;
    }
    free(names);
    return found;
}

bool vkd__checkpoint_exists(const char *dir)
{
    uint64_t step;
    return list_steps(dir, &step, 1) > 0;
}

static void step_path(char *path, size_t size, const char *dir, uint64_t step, const char *end)
{
    snprintf(path, size, "%s/state/%s%08" PRIu64 "%s", dir, prefix, step, end);
}

static vkd_result write_marker(const char *dir, const struct vkd_log *log, const char *file, uint64_t step)
{
    char path[4096], text[32];
    uint64_t hash;
    struct vkd__why why;
    vkd_result r = file_hash(file, log, &hash);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%016" PRIx64 "\n", hash);
    step_path(path, sizeof(path), dir, step, suffix);
    return say(log, &why, vkd__file_replace(path, text, strlen(text), &why));
}

// Removes what is not one of the last two checkpoints, also data that a crash left without its marker.
static void remove_older(const char *dir)
{
    uint64_t kept[2];
    uint32_t kept_count = list_steps(dir, kept, 2), count;
    char path[4096], **names;
    struct vkd__why why;
    snprintf(path, sizeof(path), "%s/state", dir);
    if (!kept_count || vkd__dir_list(path, &names, &count, &why) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step;
        if (sscanf(names[i], "step-%" SCNu64, &step) != 1 || step >= kept[0])
            continue;
        snprintf(path, sizeof(path), "%s/state/%s", dir, names[i]);
        remove(path);
    }
    free(names);
}

// The numbers of an info under their names in the file: 2^53 steps fit a double.
static const char *const info_names[] = { "step", "seconds", "evaluated", "train_loss", "test_loss", "test_accuracy",
                                          "best_accuracy", "ssl_steps", "best_score" };
enum { INFO_COUNT = sizeof(info_names) / sizeof(info_names[0]) };

struct info_text { struct vkd__st_pair pairs[INFO_COUNT + 1]; char values[INFO_COUNT][32]; };

static void info_pairs(const struct vkd__checkpoint_info *info, struct info_text *out)
{
    const double values[INFO_COUNT] = { (double) info->step, info->seconds, (double) info->evaluated,
                                        (double) info->train_loss, (double) info->test_loss,
                                        (double) info->test_accuracy, (double) info->best_accuracy,
                                        (double) info->ssl_steps, (double) info->best_score };
    for (uint32_t i = 0; i < INFO_COUNT; i++) {
        snprintf(out->values[i], sizeof(out->values[i]), "%.17g", values[i]);
        out->pairs[i] = (struct vkd__st_pair) { info_names[i], out->values[i] };
    }
    out->pairs[INFO_COUNT] = (struct vkd__st_pair) { "injection", info->injection };
}

static struct vkd__checkpoint_info info_read(const vkd__st_file *f)
{
    double v[INFO_COUNT];
    for (uint32_t i = 0; i < INFO_COUNT; i++) {
        const char *text = vkd__st_metadata(f, info_names[i]);
        v[i] = text ? strtod(text, NULL) : 0;
    }
    const char *injection = vkd__st_metadata(f, "injection");
    struct vkd__checkpoint_info info = {
        .step = (uint64_t) v[0], .seconds = v[1], .evaluated = (int64_t) v[2], .train_loss = (float) v[3],
        .test_loss = (float) v[4], .test_accuracy = (float) v[5], .best_accuracy = (float) v[6], .ssl_steps = (uint64_t) v[7],
        .best_score = (float) v[8],
    };
    snprintf(info.injection, sizeof(info.injection), "%s", injection ? injection : "");
    return info;
}

vkd_result vkd__checkpoint_save(const char *dir, vkd_device *dev, vkd_params *params, const vkd_optimizer *opt,
                                const struct vkd__checkpoint_info *info)
{
    const struct vkd_log *log = vkd_device_log(dev);
    const char *names[STATES_MAX];
    struct vkd_range ranges[STATES_MAX];
    struct vkd__st_tensor tensors[STATES_MAX] = { 0 };
    void *data[STATES_MAX] = { NULL };
    uint32_t count = flat_ranges(params, opt, names, ranges);
    char path[4096];
    struct vkd__why why;
    snprintf(path, sizeof(path), "%s/state", dir);
    vkd_result r = say(log, &why, vkd__dir_create(path, &why));
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        r = VKD_NO_MEMORY;
        if ((data[i] = malloc(ranges[i].size)))
            r = vkd_buffer_read(dev, ranges[i].buffer, ranges[i].ofs, data[i], ranges[i].size);
        tensors[i] = (struct vkd__st_tensor) {
            .name = names[i], .type = VKD__ST_F32, .rank = 1, .shape = { ranges[i].size / 4 }, .data = data[i],
        };
    }
    if (r == VKD_OK) {
        struct info_text text;
        step_path(path, sizeof(path), dir, info->step, ".safetensors");
        info_pairs(info, &text);
        r = vkd__st_write(path, log, tensors, count, text.pairs, INFO_COUNT + 1);
    }
    if (r == VKD_OK)
        r = write_marker(dir, log, path, info->step);
    if (r == VKD_OK)
        remove_older(dir);
    for (uint32_t i = 0; i < STATES_MAX; i++)
        free(data[i]);
    return r;
}

// ---- Loading ----

static vkd_result check_hash(const char *dir, const struct vkd_log *log, const char *file, uint64_t step)
{
    char path[4096];
    struct vkd__why why;
    uint8_t *text;
    uint64_t size, hash, expected = 0;
    step_path(path, sizeof(path), dir, step, suffix);
    vkd_result r = say(log, &why, vkd__file_read(path, 4096, &text, &size, &why));
    if (r < 0)
        return r;
    bool read = sscanf((const char *) text, "%" SCNx64, &expected) == 1;
    free(text);
    r = file_hash(file, log, &hash);
    if (r < 0)
        return r;
    if (read && hash == expected)
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "%s is damaged: its hash is %016" PRIx64 ", its marker says %016" PRIx64
                  "; remove the marker %s to go on from the checkpoint before it", file, hash, expected, path);
    return VKD_FORMAT;
}

static vkd_result load_ranges(const vkd__st_file *f, const char *path, vkd_device *dev, vkd_params *params,
                              const vkd_optimizer *opt)
{
    const char *names[STATES_MAX];
    struct vkd_range ranges[STATES_MAX];
    uint32_t count = flat_ranges(params, opt, names, ranges);
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd__st_tensor *t = vkd__st_find(f, names[i]);
        if (!t || t->type != VKD__ST_F32 || t->numel * 4 != ranges[i].size) {
            vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "%s: expected %" PRIu64 " floats called \"%s\", found %"
                          PRIu64 "; it belongs to another model or optimiser", path, ranges[i].size / 4, names[i],
                          t ? t->numel : 0);
            return VKD_FORMAT;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        vkd_result r = vkd_buffer_write(dev, ranges[i].buffer, ranges[i].ofs, vkd__st_find(f, names[i])->data, ranges[i].size);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

vkd_result vkd__checkpoint_load(const char *dir, vkd_device *dev, vkd_params *params, const vkd_optimizer *opt,
                                struct vkd__checkpoint_info *info)
{
    const struct vkd_log *log = vkd_device_log(dev);
    uint64_t steps[64];
    uint32_t count = list_steps(dir, steps, 64);
    char path[4096];
    vkd__st_file *f = NULL;
    if (!count) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s/state holds no complete checkpoint to resume from: remove the run and begin "
                      "it again", dir);
        return VKD_IO;
    }
    step_path(path, sizeof(path), dir, steps[count - 1], ".safetensors");
    vkd_result r = check_hash(dir, log, path, steps[count - 1]);
    if (r == VKD_OK)
        r = vkd__st_open(path, log, &f);
    if (r == VKD_OK)
        r = load_ranges(f, path, dev, params, opt);
    if (r == VKD_OK)
        *info = info_read(f);
    vkd__st_close(&f);
    return r;
}
