// host.h -- what the example applications have in common: an application's own Vulkan device, buffers, shader and frames.
//
// Nothing in here is vkdiv's but the question what to enable on the device (vkd_device_wants).
#ifndef HOST_H
#define HOST_H

#include <volk.h>

#include <vkdiv/embed.h>

enum { HOST_FRAMES = 2 };           // frames in flight

struct host {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkDebugUtilsMessengerEXT messenger;
    unsigned messages;              // from the validation layer
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
double host_seconds(void);

// With the environment's VKDIV_VALIDATION=1 the validation layer watches, synchronisation too.
void host_open(struct host *h, const char *name);
void host_close(struct host *h);    // leaves `messages`

// The fields of vkd_import_params that follow from the host; errors and warnings of vkdiv go to stderr.
struct vkd_import_params host_import_params(const struct host *h);

struct host_buffer host_buffer_create(struct host *h, VkDeviceSize size, bool mapped);
void host_buffer_destroy(struct host *h, struct host_buffer *b);
vkd_buffer *host_wrap(vkd_device *dev, const struct host_buffer *b);

// A set for the drawing shader: images (count, size, size, 4) f32 and labels (count) u32, at offsets of two buffers.
VkDescriptorSet host_draw_set(struct host *h, const struct host_buffer *images, VkDeviceSize images_at,
                              const struct host_buffer *labels, VkDeviceSize labels_at, uint32_t count, uint32_t size);

// Draws `count` images, each with a shape of a class below 4 that `seed` decides, in the first `phase` of its motion.
struct host_picture { uint32_t count, size, seed; float phase; };
void host_draw(struct host *h, VkCommandBuffer cb, VkDescriptorSet set, const struct host_picture *p);

// Waits for the frame that used the slot last and begins its command buffer; ends and submits it.
VkCommandBuffer host_frame_begin(struct host *h, uint32_t slot);
void host_frame_end(struct host *h, uint32_t slot);

#endif
