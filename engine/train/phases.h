// phases.h -- what the calls of a step's programs are for. Internal to engine/train/.
#ifndef VKD_PHASES_H
#define VKD_PHASES_H

#include "network.h"
#include "../program_impl.h"

enum vkd__phase {
    VKD__PHASE_VIEWS,           // augmentation
    VKD__PHASE_BACKBONE,        // of students and teachers, forward and backward, as are the others
    VKD__PHASE_HEADS,           // projector, predictor, classifier
    VKD__PHASE_LOSS,            // from embeddings or logits to the number, and its queues and centres
    VKD__PHASE_MONITORS,        // the online probe's loss, ranks, spread: what the backbone does not learn from
    VKD__PHASE_UPDATE,          // optimiser, teacher
    VKD__PHASE_REST,            // copies, submissions, waits
    VKD__PHASE_COUNT
};
extern const char *const vkd__phase_names[VKD__PHASE_COUNT];

// Fills phases[call] for each call of `p`, which runs a graph of `n`: BACKBONE, HEADS, LOSS or MONITORS.
VKD_CHECKED vkd_result vkd__phases_of(const struct vkd__network *n, const vkd_program *p, uint8_t *phases);

#endif
