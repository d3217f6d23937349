// report.h -- runs as one page: curves, diversity, transfer, images, manifests. It opens without a network.
#ifndef VKD_APP_REPORT_H
#define VKD_APP_REPORT_H

#include "apps/vkdiv/app.h"

#include <vkdiv/diversity.h>

struct report_params {
    const char *const *runs;    // folders of runs, without slashes at their ends
    uint32_t run_count;
    const char *study;          // study.json or its folder; NULL: none
    const char *html;           // the page to write, replaced atomically
    vkd_device *dev;            // that features for nearest neighbours are made on; NULL: they are left out
    uint32_t images;            // that neighbours are looked for among; 0: no images at all
    struct vkd_log log;
    void (*progress)(void *user, const char *what);     // may be NULL
    bool (*stop)(void *user);                           // may be NULL: what takes long is left out from then on
    void *user;
};

struct report_result {
    uint64_t bytes;             // of the page
    uint32_t runs;              // in it
    uint32_t notes;             // things that the page says are missing
};

// Writes the page, and the diversity.json of runs that lack one of their weights. What a run lacks, or what of
// it cannot be read, becomes a note in the page, but for a broken run.json; folders without one are left out with a note.
//
//   VKD_IO, VKD_FORMAT  no run.json in any folder, or a broken one; no study.json; the page cannot be written (the log
//                       says why)
//   VKD_NO_MEMORY
vkd_result report_write(const struct report_params *p, struct report_result *out);

// ---- Between the files of the report ------------------------------------------------------------

// A run as the page gets it is a JSON object; the parts below add to it.
struct report {
    const struct report_params *p;
    vkd_filter_nulls *nulls;
    json_t *sets;               // images, a row for each data set: see report_images.c
    uint32_t asked;             // runs that neighbours were looked for in
    uint32_t notes;
};

// Adds a line to the object's "notes".
void report_note(struct report *r, json_t *owner, const char *format, ...) VKD_PRINTF(3, 4);

// A number of five digits, or null.
json_t *report_number(double value);

// "data:image/png;base64,..." of `height` rows of `width` RGB pixels; NULL when host memory is out.
json_t *report_png(const uint8_t *rgb, uint32_t height, uint32_t width);

void report_curves(struct report *r, const char *dir, json_t *run);         // of metrics.jsonl
// `hash` is that of the run's weights, "" where they cannot be read.
vkd_result report_diversity(struct report *r, const char *dir, const char *hash, json_t *run);
void report_transfer(struct report *r, const char *dir, const char *hash, json_t *run);     // of transfer/*.json
void report_filters(struct report *r, const char *dir, json_t *run);        // of the first layer
vkd_result report_neighbours(struct report *r, const char *dir, json_t *run);

// The page's text around `doc`, malloc'd; NULL when host memory is out.
char *report_page(const json_t *doc, const char *title, size_t *size);

#endif
