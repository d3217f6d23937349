// host.h -- what the example applications have in common: an application's own Vulkan device, buffers, shader and frames.
//
// Nothing in here is vkdiv's but the question what to enable on the device (vkd_device_wants).
#ifndef HOST_H
#define HOST_H

#include <volk.h>

#include <vkdiv/embed.h>

enum { HOST_FRAMES = 2 };           // frames in flight
enum { HOST_CLASSES = 4 };          // of what is drawn

struct host {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkDebugUtilsMessengerEXT messenger;
    bool validation;                // the validation layer watches
    unsigned messages;              // from it
    struct vkd_device_wants wants;  // what was enabled
    VkCommandPool pool;
    struct { VkCommandBuffer cb; VkFence fence; } frames[HOST_FRAMES];
    VkDescriptorPool sets;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline draw;
};

struct host_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize size;
    void *data;                     // mapped and coherent, or NULL
};

// Ends the program with a message. An application may do that.
void host_fail(const char *what) __attribute__((noreturn));
void host_check(VkResult vk, const char *what);     // does when `vk` is an error
double host_seconds(void);
double host_quantile(double *x, uint32_t count, double q);  // sorts x

// "--name VALUE": a text, or a number from `least` to `most`. --help prints `usage` and ends the program, well.
struct host_option { const char *name, **text; double *number, least, most; };
void host_options(int argc, char **argv, const char *usage, const struct host_option *options);     // up to one without name

// With the environment's VKDIV_VALIDATION=1 the validation layer watches, synchronisation too.
void host_open(struct host *h, const char *name);
void host_close(struct host *h);    // leaves `messages`

// The fields of vkd_import_params that follow from the host; errors and warnings of vkdiv go to stderr.
struct vkd_import_params host_import_params(const struct host *h);

struct host_buffer host_buffer_create(struct host *h, VkDeviceSize size, bool mapped);
void host_buffer_destroy(struct host *h, struct host_buffer *b);
vkd_buffer *host_wrap(vkd_device *dev, const struct host_buffer *b);

// The drawing shader (draw.c), opened and closed with the host.
void host_draw_open(struct host *h);
void host_draw_close(struct host *h);
// A set for it: images (count, size, size, 4) f32 and labels (count) u32, at offsets of two buffers.
VkDescriptorSet host_draw_set(struct host *h, const struct host_buffer *images, VkDeviceSize images_at,
                              const struct host_buffer *labels, VkDeviceSize labels_at, uint32_t count, uint32_t size);

// Draws `count` images, each with a shape of a class below HOST_CLASSES that `seed` decides, at a `phase` of its motion, and
// turned by that many radians: by a quarter, level bars are upright ones.
struct host_picture { uint32_t count, size, seed; float phase, turn; };
void host_draw(struct host *h, VkCommandBuffer cb, VkDescriptorSet set, const struct host_picture *p);

// Waits for the frame that used the slot last and begins its command buffer; ends and submits it.
VkCommandBuffer host_frame_begin(struct host *h, uint32_t slot);
void host_frame_end(struct host *h, uint32_t slot);

#endif
