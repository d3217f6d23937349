// transfer.h -- what vkdiv transfer was asked for, and how its results are shown.
#ifndef VKD_APP_TRANSFER_H
#define VKD_APP_TRANSFER_H

#include "apps/vkdiv/finetune_options.h"
#include "apps/vkdiv/tasks.h"

#include <vkdiv/transfer.h>

enum { TRANSFER_MODELS_MAX = 256, TRANSFER_DATA_MAX = APP_TASKS_MAX, TRANSFER_PROTOCOLS_MAX = 8, TRANSFER_PENALTIES_MAX = 256 };

struct transfer_options {
    struct app_options app;
    const char *paths[TRANSFER_MODELS_MAX], *data[TRANSFER_DATA_MAX], *protocols[TRANSFER_PROTOCOLS_MAX], *cache;
    const char *metrics[TRANSFER_DATA_MAX];     // of `data`; NULL: p's
    struct app_tasks tasks;             // that `data` are the specs of
    const char *tasks_file;
    uint32_t path_count, data_count, protocol_count, penalty_count;
    double penalties[TRANSFER_PENALTIES_MAX], lambda;
    bool no_cache;
    struct finetune_options finetune;
    struct vkd_transfer_params p;       // what all have in common
};

struct transfer_work {
    const struct transfer_options *o;
    vkd_device *dev;
    struct app_progress progress;
    uint32_t number, total;             // of transfers
    bool headed;                        // the table has its head
    struct vkd_transfer_result *results;    // (models, data, protocols)
};

static inline struct vkd_transfer_result *transfer_at(const struct transfer_work *w, uint32_t model, uint32_t data,
                                                      uint32_t protocol)
{
    return &w->results[((size_t)model * w->o->data_count + data) * w->o->protocol_count + protocol];
}

// A row of the table, with the head before the first.
void transfer_print_row(struct transfer_work *w, uint32_t model, uint32_t data, uint32_t protocol);
// What follows when all rows are there: means over tasks, what was chosen, models compared.
void transfer_print_end(const struct transfer_work *w);
enum exit_status transfer_print_json(const struct transfer_work *w);

#endif
