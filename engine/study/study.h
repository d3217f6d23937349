// study.h -- what the files of a study share. Internal.
#ifndef VKD_STUDY_STUDY_H
#define VKD_STUDY_STUDY_H

#include <vkdiv/diversity.h>
#include <vkdiv/study.h>

#include <jansson.h>

// Fills in outcome, best, verdict and falsifier from the fits.
void vkd__study_conclude(const struct vkd_study_table *t, const struct vkd_study_fit_params *p, struct vkd_study_fits *f);

// ---- Memory that lives as long as the study ----

// Zeros; NULL when there is none left.
void *vkd__study_alloc(void **memory, size_t size);
char *vkd__study_text(void **memory, const char *text);
void vkd__study_free(void **memory);

// ---- Runs ----

// A result of a transfer, as its file says.
struct vkd__study_found {
    struct vkd__study_found *next;
    const char *spec, *fingerprint, *protocol, *text;
    struct vkd_study_result result;
};

struct vkd__study_run {
    struct vkd_study_model *model;
    char *weights, *hash;               // safetensors file and its hash; NULL: there is none
    char *train;                        // SPEC, without split=
    double accuracy;                    // run.json's, and the images it is of
    uint64_t accuracy_count;
    json_t *diversity;                  // diversity.json, where it is of these weights; NULL: not
    struct vkd__study_found *found;     // of these weights, in the order of file names
};

struct vkd__gather {
    const struct vkd_study_params *p;
    struct vkd_study *s;
    struct vkd__study_run *runs;
    uint32_t run_count, room;
    uint32_t stale;                     // results of other weights
    vkd_device *dev;
    bool device_asked;
    vkd_filter_nulls *nulls;
    const char *base_text;              // protocols: of base accuracy,
    const char **task_texts;            // and of each task; NULL: no result yet
};

// Finds the runs in the study's folders and reads what they hold.
VKD_CHECKED vkd_result vkd__study_read_runs(struct vkd__gather *g);
// Reads the results of a run again, as they were when it was found or have come since.
VKD_CHECKED vkd_result vkd__study_read_found(struct vkd__gather *g, struct vkd__study_run *run);

// The device, opened when it is first needed; NULL: there is none to be had.
vkd_device *vkd__study_device(struct vkd__gather *g);
bool vkd__study_stopped(const struct vkd__gather *g);

// ---- Diversity ----

enum { VKD__STUDY_MEASURES = 13 };
extern const char *const vkd__study_measure_names[VKD__STUDY_MEASURES];
extern const int vkd__study_measure_signs[VKD__STUDY_MEASURES];

// The measures that a diversity.json holds; NaN for those it does not. Those of features only where these are of `probe`.
void vkd__study_measures(const json_t *doc, const json_t *probe, double values[VKD__STUDY_MEASURES]);
// What features were made of: [data, split, images, views]; NULL: the document has none.
json_t *vkd__study_probe(const json_t *doc);
// Makes and writes what a run's diversity.json lacks. Without a device filters alone.
VKD_CHECKED vkd_result vkd__study_measure(struct vkd__gather *g, struct vkd__study_run *run, const char *probe);

#endif
