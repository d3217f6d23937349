// unit_columns.c -- columns of length 1 after each step.
#include "unit_columns.h"

#include "op.h"
#include "pc_unit_columns.h"

vkd_result vkd__unit_columns_record(vkd_device *dev, vkd_params *params, const char *name, struct vkd_range metrics,
                                    vkd_commands *cmds)
{
    const struct vkd_log *log = vkd_device_log(dev);
    int index = vkd_params_find(params, name);
    if (index < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "unit columns: there is no parameter %.100s", name);
        return VKD_INVALID;
    }
    const struct vkd_param_info *p = vkd_params_at(params, (uint32_t) index);
    const uint32_t *d = p->shape.d;
    if (d[0] * d[1] != 1) {
        vkd_log_write(log, VKD_LOG_ERROR, "unit columns: %.100s must be a matrix (1, 1, C, K), found (%u, %u, %u, %u)",
                      name, d[0], d[1], d[2], d[3]);
        return VKD_INVALID;
    }
    if (d[2] > VKD__UNIT_COLUMNS_ROWS) {
        vkd_log_write(log, VKD_LOG_ERROR, "unit columns: %.100s must have %d rows at most, found %u", name,
                      VKD__UNIT_COLUMNS_ROWS, d[2]);
        return VKD_UNSUPPORTED;
    }
    vkd_kernel *kernel;
    vkd_result r = vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "unit_columns" }, &kernel);
    if (r < 0)
        return r;
    struct vkd_range values = vkd_params_values(params);
    struct vkd_range ranges[] = { metrics, { values.buffer, values.ofs + 4 * p->ofs, 4 * p->numel } };
    struct vkd_pc_unit_columns pc = { d[2], vkd__pad4(d[3]) / 4 };
    vkd_commands_dispatch(cmds, kernel, ranges, 2, &pc, sizeof(pc), (uint32_t[3]) { vkd__div_up(pc.columns4, 64), 1, 1 });
    return VKD_OK;
}

vkd_result vkd__unit_columns_apply(vkd_device *dev, vkd_params *params, const char *name, struct vkd_range metrics)
{
    vkd_commands *cmds = NULL;
    uint64_t ticket;
    vkd_result r = vkd_commands_create(dev, &cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r == VKD_OK) {
        r = vkd__unit_columns_record(dev, params, name, metrics, cmds);
        vkd_result end = vkd_commands_end(cmds);
        r = r < 0 ? r : end;
    }
    if (r == VKD_OK)
        r = vkd_submit(dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
    vkd_commands_destroy(dev, &cmds);
    return r;
}
