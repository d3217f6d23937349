// main.c -- a program outside of the project's tree that uses vkdiv: it opens a device and describes a graph.
#include <stdio.h>
#include <string.h>
#include <vkdiv/device.h>
#include <vkdiv/graph.h>

static void say(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    if (level <= VKD_LOG_WARNING)
        fprintf(stderr, "%s\n", text);
}

int main(void)
{
    struct vkd_device_params p = { .log = { .fn = say } };
    vkd_device *dev = NULL;
    vkd_graph *g = NULL;
    if (strcmp(vkd_version(), VKD_VERSION) != 0 || vkd_device_create(&p, &dev) != VKD_OK)
        return 1;
    vkd_result r = vkd_graph_create(&p.log, &g);
    if (r == VKD_OK) {
        vkd_tensor *x = vkd_input(g, "x", VKD_F32, (struct vkd_shape){ { 1, 8, 8, 3 } });
        vkd_apply(g, "relu", &x, 1, NULL);
        r = vkd_graph_error(g) == NULL ? VKD_OK : VKD_INVALID;
    }
    printf("vkdiv %s on %s\n", vkd_version(), vkd_device_caps(dev)->name);
    vkd_graph_destroy(&g);
    vkd_device_destroy(&dev);
    return r == VKD_OK ? 0 : 1;
}
