// content.c -- a hash of what image files hold: by their bytes where there are few, else by their times of change.
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

#define READ_LIMIT (UINT64_C(256) << 20)    // bytes that are read

static void digest_number(XXH64_state_t *hash, uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned b = 0; b < 8; b++)
        bytes[b] = (uint8_t) (number >> (8 * b));
    XXH64_update(hash, bytes, sizeof(bytes));
}

// A file that is not there, or cannot be read, counts as one without bytes.
static vkd_result digest_file(const vkd_dataset *d, uint32_t source, bool bytes, uint64_t *total, XXH64_state_t *hash)
{
    struct vkd__why unread;
    const uint8_t *data = NULL;
    uint64_t size = 0, ticks;
    double modified = 0;
    char *path = d->format->file_of(&d->source, source);
    if (!path)
        return VKD_NO_MEMORY;
    if (bytes && vkd__file_map(path, &data, &size, &unread) == VKD_OK) {
        digest_number(hash, size);
        if (data)
            XXH64_update(hash, data, size);
        vkd__file_unmap(data, size);
    } else if (vkd__path_kind(path, &size, &modified) == VKD__PATH_FILE) {
        memcpy(&ticks, &modified, sizeof(ticks));
        digest_number(hash, size);
        digest_number(hash, ticks);
    }
    *total += size;
    free(path);
    return VKD_OK;
}

static vkd_result digest_files(const vkd_dataset *d, bool bytes, uint64_t *total, XXH64_state_t *hash)
{
    vkd_result r = VKD_OK;
    XXH64_reset(hash, bytes);
    digest_number(hash, d->info.fingerprint);
    for (uint32_t i = 0; r == VKD_OK && i < d->info.count; i++)
        r = digest_file(d, d->images[i], bytes, total, hash);
    return r;
}

vkd_result vkd_dataset_content(const vkd_dataset *d, uint64_t *out)
{
    uint64_t total = 0, unused = 0;
    if (!d->format->file_of) {
        *out = d->info.fingerprint;
        return VKD_OK;
    }
    XXH64_state_t *hash = XXH64_createState();
    vkd_result r = hash ? digest_files(d, false, &total, hash) : VKD_NO_MEMORY;
    if (r == VKD_OK && total <= READ_LIMIT)
        r = digest_files(d, true, &unused, hash);
    if (r == VKD_OK)
        *out = XXH64_digest(hash);
    XXH64_freeState(hash);
    return r;
}
