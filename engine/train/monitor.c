// monitor.c -- measuring features while a run trains: diversity, neighbours, collapse.
#include "run.h"

#include <math.h>
#include <string.h>

enum { ALARM_STEPS = 100 };     // a loss is stuck, or embeddings are alike, over so many steps in a row

static vkd_result collect(const struct vkd__run *run, enum vkd__test_route route, vkd_loader *loader,
                          struct vkd__features *out)
{
    const vkd_tensor *features = vkd_graph_find(run->graphs[VKD__GRAPH_EVALUATION], "features");
    return vkd__collect_features(&(struct vkd__features_params) {
        .feed = run->test_feed, .route = (uint32_t) route, .loader = loader, .mark = "features",
        .width = vkd_tensor_shape(features).d[3] }, out);
}

vkd_result vkd__run_observe(struct vkd__run *run)
{
    struct vkd__features features = { 0 };
    double rankme = 0;
    bool due = vkd__inject_due(&run->plan, &run->inject);
    vkd_result r = collect(run, VKD__TEST_PROBE_SET, run->probe_loader, &features);
    if (r == VKD_OK) {
        struct vkd_matrix z = vkd__features_matrix(&features);
        r = vkd_rankme(&z, &run->log, &rankme);
    }
    if (r == VKD_OK && due)         // what an evaluation measures between does not steer the injection
        r = vkd__inject_observe(&run->plan, &run->inject, rankme, &run->log);
    run->rankme = rankme;
    if (r == VKD_OK)
        r = vkd__run_event(run, "diversity", json_pack("{s:f, s:f, s:f, s:f, s:i, s:i}", "rankme", rankme, "injection",
            run->inject.a, "dose", run->inject.dose, "signal", run->inject.reference > 0 ? rankme / run->inject.reference : 0.0,
            "images", (int) features.count, "dimensions", (int) features.width));
    vkd__features_finish(&features);
    return r;
}

vkd_result vkd__run_neighbours(struct vkd__run *run, const struct vkd__features *test, double *top1)
{
    const struct vkd_recipe *re = run->recipe;
    struct vkd__features train = { 0 };
    struct vkd_knn_result result = { .top1 = NAN };
    vkd_result r = VKD_OK;
    if (run->neighbour_loader)
        r = collect(run, VKD__TEST_NEIGHBOURS, run->neighbour_loader, &train);
    if (r == VKD_OK && run->neighbour_loader)
        r = vkd_knn(&(struct vkd_knn_params) {
            .train = vkd__features_matrix(&train), .test = vkd__features_matrix(test), .train_labels = train.labels,
            .test_labels = test->labels, .classes = run->network.classes, .k = re->monitor.knn_k,
            .temperature = (double) re->monitor.knn_temperature, .log = run->log }, &result, NULL);
    vkd__features_finish(&train);
    if (r == VKD_OK)
        *top1 = result.top1;
    return r;
}

bool vkd__alarm_next(struct vkd__alarm *a, bool sign)
{
    a->steps = sign == a->on ? 0 : a->steps + 1;
    if (a->steps < ALARM_STEPS)
        return false;
    a->on = sign;
    a->steps = 0;
    return sign;
}

vkd_result vkd__run_watch(struct vkd__run *run, double ssl_loss, double spread)
{
    const struct vkd__network *n = &run->network;
    double collapsed = n->method->collapsed ? n->method->collapsed(&n->ssl, vkd__run_loss_batch(run)) : NAN;
    double healthy = n->ssl.projector_out ? 1 / sqrt(n->ssl.projector_out) : NAN;
    bool alike = isfinite(spread) && spread < 0.05 * healthy;
    bool stuck = isfinite(collapsed) && fabs(ssl_loss - collapsed) < 0.005 * fabs(collapsed);
    if (!vkd__alarm_next(&run->alarm, alike || stuck))
        return VKD_OK;
    vkd_log_write(&run->log, VKD_LOG_WARNING, "step %u: %s looks collapsed for %d steps: the embeddings' spread is %.4f (healthy: "
                  "about %.4f), the loss %.4f%s. Try a smaller optimizer.lr, a longer warm-up, or %s", run->done,
                  n->method->name, ALARM_STEPS, spread, healthy, ssl_loss,
                  stuck ? ", that of embeddings which are all equal" : "",
                  n->method->teacher ? "a teacher that follows more slowly (ssl.momentum nearer to 1)" : "a larger batch");
    return vkd__run_event(run, "warning", json_pack("{s:s, s:s, s:f, s:f}", "text", "collapse", "sign",
                                                    alike ? "embeddings are alike" : "loss of a collapsed network", "spread",
                                                    spread, "ssl_loss", ssl_loss));
}
