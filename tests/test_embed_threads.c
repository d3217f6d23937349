// test_embed_threads.c -- several contexts at once: threads with vkd_devices of their own, on one VkDevice and queue of
// the host and on devices of vkdiv's own, each train to the same bits as one thread alone.
//
// Also built with ThreadSanitizer (VKDIV_SANITIZE_THREADS).
#include "host.h"

#include <pthread.h>
#include <string.h>
#include <vkdiv/layers.h>
#include <vkdiv/program.h>

enum { THREADS = 3, ROUNDS = 3, ROWS = 64, COLUMNS = 16 };

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;

static void take_queue(void *user)
{
    pthread_mutex_lock(user);
}

static void give_queue(void *user)
{
    pthread_mutex_unlock(user);
}

// What a thread works with and finds. Check's assertions are for the main thread alone.
struct worker {
    pthread_t thread;
    bool import;                    // the host's device; else one of vkdiv's own
    const char *failed;             // the first call that failed, or NULL
    uint64_t hash, embedded;        // of the gradients; and of passes in the host's command buffers, of imports
    unsigned lines;                 // of its log
    struct host_buffer input;       // of the host, for a pass in its command buffer
};

static void count_line(void *user, enum vkd_log_level level, const char *text)
{
    struct worker *w = user;
    (void) level, (void) text;
    w->lines++;                     // no lock: a vkd_device logs from the thread that uses it
}

static bool good(struct worker *w, vkd_result r, const char *call)
{
    if (r != VKD_OK && !w->failed)
        w->failed = call;
    return r == VKD_OK;
}

#define TRY(call) do { if (!good(w, (call), #call)) goto done; } while (0)

static void run_model(struct worker *w, vkd_device *dev)
{
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    vkd_program *program = NULL;
    struct vkd_range x, grads;
    float data[ROWS * COLUMNS], back[COLUMNS * COLUMNS];
    uint64_t ticket = 0;
    TRY(vkd_graph_create(vkd_device_log(dev), &g));
    vkd_tensor *t = vkd_input(g, "x", VKD_F32, (struct vkd_shape) {{ ROWS, 1, 1, COLUMNS }});
    t = vkd_relu(g, vkd_layer_linear(g, t, "a", COLUMNS, true));
    t = vkd_softmax(g, vkd_layer_linear(g, t, "b", COLUMNS, true));
    vkd_graph_loss(g, vkd_mean(g, vkd_mul(g, t, t), 15));
    TRY(vkd_params_create(dev, g, true, &params));
    TRY(vkd_params_init(params, 11));
    TRY(vkd_program_create(dev, g, params, &(struct vkd_program_params) { .training = true, .backward = true }, &program));
    TRY(vkd_program_range(program, "x", &x));
    grads = vkd_params_gradients(params);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        data[i] = (float) (i % 37) / 37 - 0.4f;
    w->hash = 0;
    for (int round = 0; round < ROUNDS; round++) {
        TRY(vkd_buffer_write(dev, x.buffer, x.ofs, data, sizeof(data)));
        TRY(vkd_program_run(program, NULL, &ticket));
        TRY(vkd_wait(dev, ticket, UINT64_MAX, NULL));
        TRY(vkd_buffer_read(dev, grads.buffer, grads.ofs, back, sizeof(back)));
        for (size_t i = 0; i < sizeof(back) / 4; i++) {
            uint32_t bits;
            memcpy(&bits, &back[i], 4);
            w->hash = (w->hash ^ bits) * 0x100000001b3u;
        }
    }
done:
    vkd_program_destroy(&program);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
}

// The host's command buffer runs a pass that vkdiv has recorded.
static bool submit_pass(vkd_program *program)
{
    VkCommandPool cb_pool = VK_NULL_HANDLE;
    VkCommandBuffer cb = VK_NULL_HANDLE;
    VkFence fence = VK_NULL_HANDLE;
    VkCommandPoolCreateInfo pi = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = host.family };
    VkFenceCreateInfo fi = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cb };
    bool fine = vkCreateCommandPool(host.device, &pi, NULL, &cb_pool) == VK_SUCCESS;
    VkCommandBufferAllocateInfo ai = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = cb_pool, .commandBufferCount = 1,
    };
    fine = fine && vkCreateFence(host.device, &fi, NULL, &fence) == VK_SUCCESS;
    fine = fine && vkAllocateCommandBuffers(host.device, &ai, &cb) == VK_SUCCESS;
    fine = fine && vkBeginCommandBuffer(cb, &begin) == VK_SUCCESS;
    fine = fine && vkd_program_embed(program, cb, NULL, NULL, NULL) == VKD_OK && vkEndCommandBuffer(cb) == VK_SUCCESS;
    if (fine) {
        take_queue(&queue_lock);
        fine = vkQueueSubmit(host.queue, 1, &submit, fence) == VK_SUCCESS;
        give_queue(&queue_lock);
    }
    fine = fine && vkWaitForFences(host.device, 1, &fence, VK_TRUE, UINT64_MAX) == VK_SUCCESS;
    vkDestroyFence(host.device, fence, NULL);
    vkDestroyCommandPool(host.device, cb_pool, NULL);
    return fine;
}

static void embed_model(struct worker *w, vkd_device *dev)
{
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    vkd_program *program = NULL;
    vkd_buffer *input = NULL;
    struct vkd_range y;
    float back[COLUMNS];
    const struct vkd_wrap_params wrap = { .buffer = w->input.buffer, .size = 4 * COLUMNS, .usage = VKD_WRAP_USAGE };
    TRY(vkd_buffer_wrap(dev, &wrap, &input));
    TRY(vkd_graph_create(vkd_device_log(dev), &g));
    vkd_tensor *x = vkd_input(g, "x", VKD_F32, (struct vkd_shape) {{ 1, 1, 1, COLUMNS }});
    vkd_mark(g, vkd_relu(g, vkd_layer_linear(g, x, "a", COLUMNS, true)), "y");
    TRY(vkd_params_create(dev, g, false, &params));
    TRY(vkd_params_init(params, 11));
    const struct vkd_binding binding = { "x", { input, 0, 0 } };
    TRY(vkd_program_create(dev, g, params, &(struct vkd_program_params) { .embedded = true, .bindings = &binding,
                                                                           .binding_count = 1 }, &program));
    TRY(vkd_program_range(program, "y", &y));
    TRY(submit_pass(program) ? VKD_OK : VKD_UNSUPPORTED);
    TRY(vkd_buffer_read(dev, y.buffer, y.ofs, back, sizeof(back)));
    for (size_t i = 0; i < COLUMNS; i++) {
        uint32_t bits;
        memcpy(&bits, &back[i], 4);
        w->hash = (w->hash ^ bits) * 0x100000001b3u;
    }
done:
    vkd_program_destroy(&program);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
    vkd_buffer_destroy(dev, &input);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct vkd_import_params p = import_params();
    struct vkd_device_params own = { .selector = gpu_params().selector, .log = { count_line, w } };
    vkd_device *dev = NULL;
    p.log = own.log;
    p.lock_queue = take_queue;
    p.unlock_queue = give_queue;
    p.user = &queue_lock;
    TRY(w->import ? vkd_device_import(&p, &dev) : vkd_device_create(&own, &dev));
    run_model(w, dev);
    uint64_t trained = w->hash;
    for (int i = 0; w->import && i < ROUNDS; i++)
        embed_model(w, dev);
    w->embedded = w->hash;
    w->hash = trained;
done:
    vkd_device_destroy(&dev);
    return NULL;
}

static struct host_buffer make_input(void)
{
    struct host_buffer b = host_buffer(4 * COLUMNS, VKD_WRAP_USAGE);
    for (int i = 0; i < COLUMNS; i++)
        ((float *) b.data)[i] = (float) i / COLUMNS - 0.3f;
    return b;
}

static void run_all(bool import, bool mixed, const struct worker *want)
{
    struct worker w[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker) { .import = mixed ? i % 2 : import, .input = make_input() };
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(w[i].thread, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_msg(!w[i].failed, "%s", w[i].failed);
        ck_assert_uint_eq(w[i].hash, want->hash);
        ck_assert(!w[i].import || w[i].embedded == want->embedded);
        host_buffer_free(&w[i].input);
    }
}

START_TEST(contexts_do_not_meet)
{
    struct worker alone = { .import = true, .input = make_input() };
    work(&alone);
    ck_assert_msg(!alone.failed, "%s", alone.failed);
    ck_assert(alone.hash && alone.embedded != alone.hash);
    run_all(true, false, &alone);           // imports of one VkDevice, which share its queue
    run_all(false, true, &alone);           // and devices of vkdiv's own beside them
    host_buffer_free(&alone.input);
    host_still_works();
}
END_TEST

// What is said to be safe from any thread at any time.
static void *ask(void *arg)
{
    uint32_t count = 0;
    struct vkd_device_wants wants;
    vkd_device *dev = arg;
    bool fine = true;
    for (int i = 0; i < 20; i++) {
        fine = fine && vkd_required_features(&count) && vkd_required_extensions(&count) && vkd_required_limits(&count);
        fine = fine && vkd_result_text(VKD_INVALID) && vkd_device_caps(dev)->name[0] && vkd_device_log(dev);
        fine = fine && vkd_device_timeline(dev);
        fine = fine && vkd_profile_at(0) && vkd_profile_find("minimum") && !vkd_profile_find("none");
        fine = fine && vkd_device_wants(host.instance, host.physical, vkGetInstanceProcAddr, NULL, &wants) == VKD_OK;
    }
    struct vkd_device_row *rows = NULL;
    int selected = -1;
    fine = fine && vkd_device_list(NULL, NULL, &rows, &count, &selected) == VKD_OK && selected >= 0;
    free(rows);
    return fine ? arg : NULL;
}

START_TEST(safe_functions_are_safe)
{
    struct vkd_import_params p = import_params();
    vkd_device *dev = NULL;
    pthread_t threads[THREADS];
    struct worker w = { .import = true };
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, dev), 0);
    run_model(&w, dev);             // meanwhile the device works
    ck_assert_msg(!w.failed, "%s", w.failed);
    for (int i = 0; i < THREADS; i++) {
        void *fine = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &fine), 0);
        ck_assert_ptr_nonnull(fine);
    }
    vkd_device_destroy(&dev);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("embed threads");
    TCase *t = tcase_create("embed threads");
    tcase_add_unchecked_fixture(t, start_host, stop_host);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, contexts_do_not_meet);
    tcase_add_test(t, safe_functions_are_safe);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
