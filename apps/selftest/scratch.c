// scratch.c -- a folder for what a probe writes. The parent makes and removes it, so that a probe that is ended leaves nothing.
#include "apps/selftest/selftest.h"

#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>

bool selftest_scratch_open(char path[SELFTEST_PATH_MAX])
{
    const char *tmp = getenv("TMPDIR");
    char parent[SELFTEST_PATH_MAX - 40];
    struct vkd__why why;
    snprintf(parent, sizeof parent, "%s", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    bool made = vkd__dir_create_temporary(parent, "vkdiv-selftest-", path, SELFTEST_PATH_MAX, &why) == VKD_OK;
    if (!made)
        path[0] = 0;
    return made;
}

static void remove_tree(const char *path, int depth)
{
    char **names = NULL, inner[1024];
    uint32_t count = 0;
    struct vkd__why why;
    if (depth < 4 && vkd__path_kind(path, NULL, NULL) == VKD__PATH_DIR && vkd__dir_list(path, &names, &count, &why) == VKD_OK)
        for (uint32_t i = 0; i < count; i++) {
            snprintf(inner, sizeof inner, "%s/%s", path, names[i]);
            remove_tree(inner, depth + 1);
        }
    free(names);
    remove(path);
}

void selftest_scratch_close(const char *path)
{
    if (path[0] != 0)
        remove_tree(path, 0);
}
