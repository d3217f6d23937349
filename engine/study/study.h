// study.h -- what the files of a study share. Internal.
#ifndef VKD_STUDY_STUDY_H
#define VKD_STUDY_STUDY_H

#include <vkdiv/diversity.h>
#include <vkdiv/study.h>

#include <jansson.h>

// Fills in outcome, best, verdict and falsifier from the fits.
void vkd__study_conclude(const struct vkd_study_table *t, const struct vkd_study_fit_params *p,
                         struct vkd_study_fits *f);

// The study's document.
json_t *vkd__study_json(const struct vkd_study *s, const struct vkd_study_fits *f);

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
    char *weights, *hash;               // safetensors file and its hash; "": there is none
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
    bool nulls_loaded;                  // from the runs' folders
};

// Finds the runs in the study's folders and reads what they hold.
VKD_CHECKED vkd_result vkd__study_read_runs(struct vkd__gather *g);

// ---- Choices (gather.c) ----

#define VKD__STUDY_BASE_PROTOCOL "linear"

// The metric that the study asks of a task's results; NULL: it asks for none.
const char *vkd__study_metric(const struct vkd__gather *g, const char *spec);
// Of the protocol that was asked for, if any.
bool vkd__study_is_wanted(const struct vkd__gather *g, const struct vkd__study_found *f);
// The result of a run for the base data or a task, of the study's protocol; *out NULL: there is none.
VKD_CHECKED vkd_result vkd__study_result(const struct vkd__gather *g, const struct vkd__study_run *run,
                                         const char *spec, bool base, const struct vkd__study_found **out);
// Refuses results of all runs that do not compare; *out is any of them.
VKD_CHECKED vkd_result vkd__study_results(const struct vkd__gather *g, const char *spec, bool base,
                                          const struct vkd__study_found **out);

// "idx:/data/fashion-mnist?classes=6-9" is called "fashion-mnist?classes=6-9".
const char *vkd__study_short_name(const char *spec);
bool vkd__study_data_exist(const char *spec);

// ---- Diversity (measures.c) ----

enum { VKD__STUDY_MEASURES = 12 };
const char *vkd__study_measure_name(uint32_t index);
int vkd__study_measure_sign(uint32_t index);

// The images that features are of.
struct vkd__study_probe {
    const char *data, *split;           // data "": none
    uint32_t images, views;
    uint32_t known;                     // the most images of them that a run has features of
};

// False: the document has no features.
bool vkd__study_probe_of(const json_t *doc, struct vkd__study_probe *out);
// Whether it has those of the probe, beside their null; a set may hold fewer images than were asked for.
bool vkd__study_has_probe(const json_t *doc, const struct vkd__study_probe *probe);

// The measures that a diversity.json holds; NaN for those it does not, and of features where they are not wanted.
void vkd__study_measures(const json_t *doc, bool features, double values[VKD__STUDY_MEASURES]);
// Makes and writes what a run's diversity.json lacks. Without a device filters alone.
VKD_CHECKED vkd_result vkd__study_measure(struct vkd__gather *g, struct vkd__study_run *run,
                                          const struct vkd__study_probe *probe);

// ---- Work (missing.c), and what came of it (tabulate.c) ----

// The device, opened when it is first needed; NULL: there is none to be had.
vkd_device *vkd__study_device(struct vkd__gather *g);

VKD_CHECKED vkd_result vkd__study_compute(struct vkd__gather *g, const struct vkd__study_probe *probe);
VKD_CHECKED vkd_result vkd__study_tabulate(struct vkd__gather *g, const struct vkd__study_probe *probe);

#endif
