// tasks.h -- files that list tasks, as vkdiv transfer and vkdiv study take them.
#ifndef VKD_APP_TASKS_H
#define VKD_APP_TASKS_H

#include <vkdiv/study.h>

enum { APP_TASKS_MAX = 256 };

#define APP_TASKS_FORMAT "a SPEC a line, then metric=NAME (top1, mean_per_class, map, map11) if the set's own is not meant, " \
    "then a name if wanted; # begins a comment, paths are relative to the file, sets that are not there are skipped"

struct app_tasks {
    struct vkd_study_task list[APP_TASKS_MAX];
    uint32_t count;
    char *lines[APP_TASKS_MAX], *specs[APP_TASKS_MAX];      // that the list's texts lie in
};

// Adds the tasks of a file. False: it cannot be read, holds none or one too many, or a line is none (the terminal says so).
bool app_tasks_read(struct app_tasks *t, const char *file);
// Adds one. False: there are too many.
bool app_tasks_add(struct app_tasks *t, const char *spec);
void app_tasks_free(struct app_tasks *t);

#endif
