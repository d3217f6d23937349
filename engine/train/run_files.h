// run_files.h -- the files of a run directory that people and programs read: run.json and
// metrics.jsonl. Internal to engine/.
#ifndef VKD_RUN_FILES_H
#define VKD_RUN_FILES_H

#include <vkdiv/recipe.h>

#include <jansson.h>

// The recipe as nested JSON; NULL when host memory is out.
json_t *vkd__recipe_to_json(const struct vkd_recipe *r);

// Fills `r` from such JSON; strings point into `json`. Unknown keys are ignored.
void vkd__recipe_from_json(json_t *json, struct vkd_recipe *r);

// The first key in which two recipes differ so that one cannot continue the other, or NULL.
// `text` gets both values.
const char *vkd__recipe_difference(json_t *old, json_t *now, char *text, size_t size);

// A float as the shortest decimal that gives the same float back.
json_t *vkd__json_float(float value);

// ---- run.json ----
VKD_CHECKED vkd_result vkd__run_json_write(const char *dir, const struct vkd_log *log, json_t *run);
// VKD_IO when there is none, VKD_FORMAT when it is not JSON.
VKD_CHECKED vkd_result vkd__run_json_read(const char *dir, const struct vkd_log *log, json_t **out);

// ---- metrics.jsonl ----
typedef struct vkd__metrics_log vkd__metrics_log;

// Opens DIR/metrics.jsonl. With `keep_steps` >= 0 events after that step, and evaluations after step
// `evaluated`, are dropped first: what follows the checkpoint comes again. Otherwise the file starts empty.
VKD_CHECKED vkd_result vkd__metrics_open(const char *dir, const struct vkd_log *log, int64_t keep_steps,
                                         int64_t evaluated, vkd__metrics_log **out);
// Writes one line and gives `event` up; NULL event is VKD_NO_MEMORY. Disk full is VKD_IO.
VKD_CHECKED vkd_result vkd__metrics_write(vkd__metrics_log *m, json_t *event);
void vkd__metrics_close(vkd__metrics_log **m);

#endif
