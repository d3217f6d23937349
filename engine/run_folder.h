// run_folder.h -- what a run's folder stands for: the weights that its results are of, and its recipe. Internal.
#ifndef VKD_RUN_FOLDER_H
#define VKD_RUN_FOLDER_H

#include "../runtime/os.h"

#include <jansson.h>

// Whether best.safetensors of a run was chosen on a validation set (split val). Where it was chosen on the test set, an
// accuracy on that set is one that was looked for: those weights are no result.
bool vkd__run_is_validated(const char *dir);

// The safetensors file that `path` stands for: of a run's folder best.safetensors if it is validated, else
// last.safetensors.
void vkd__model_path(const char *path, char *out, size_t size);

// That file, and its vkd_weights_hash in 16 digits; "" where it is not there or, with a warning, cannot be read.
//
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__run_weights(const char *dir, const struct vkd_log *log, char path[4096], char hash[17]);

// Whether results of transfers can be written below `dir`, a run's folder or another one. Leaves nothing there that it made,
// and no `dir` that it made.
//
//   VKD_IO, VKD_NO_MEMORY  (why says what was in the way)
VKD_CHECKED vkd_result vkd__results_check(const char *dir, struct vkd__why *why);

// Of what the same settings of a transfer come to: one more when numbers change.
enum { VKD__TRANSFER_VERSION = 4 };

// Whether a result of a transfer (KEY.json) is of this version, and of the weights with this hash; so are those of which
// it is not known.
bool vkd__is_of_weights(const json_t *result, const char *hash);

// Which recipe a run is one of, by its run.json: a hash of the resolved recipe without its seed and without what changes
// no weight. Data sets count as what they hold (their fingerprints), wherever they lie. The file that a run starts from
// (init) counts as the recipe of the run that it lies in, and that run's own start likewise; outside of a run, as its
// weights. A file that is gone does not count, and a warning says so: of runs that differ in nothing else it is not known
// that they are of different recipes.
//
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__run_recipe(const json_t *run, const struct vkd_log *log, uint64_t *out);

#endif
