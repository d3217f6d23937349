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
    uint64_t hash;                  // of the gradients
    unsigned lines;                 // of its log
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
done:
    vkd_device_destroy(&dev);
    return NULL;
}

static void run_all(bool import, bool mixed, uint64_t want)
{
    struct worker w[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker) { .import = mixed ? i % 2 : import };
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(w[i].thread, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_msg(!w[i].failed, "%s", w[i].failed);
        ck_assert_uint_eq(w[i].hash, want);
    }
}

START_TEST(contexts_do_not_meet)
{
    struct worker alone = { .import = true };
    work(&alone);
    ck_assert_msg(!alone.failed, "%s", alone.failed);
    ck_assert_uint_ne(alone.hash, 0);
    run_all(true, false, alone.hash);       // imports of one VkDevice, which share its queue
    run_all(false, true, alone.hash);       // and devices of vkdiv's own beside them
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
        fine = fine && vkd_device_wants(host.instance, host.physical, vkGetInstanceProcAddr, NULL, &wants) == VKD_OK;
    }
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
