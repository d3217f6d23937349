// diversity_print.c -- measured diversity as tables with bars.
#include "apps/vkdiv/diversity.h"

#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- Text --------------------------------------------------------------------------------------

enum { BAR = 10 };

// A bar of the share `value` of 1, coloured: what is below the null is less diverse than chance.
static void print_bar(double value)
{
    static const char *const eighths[] = { "", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589" };
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    enum app_style style = value >= 0.9 ? APP_GREEN : value >= 0.6 ? APP_YELLOW : APP_RED;
    unsigned parts = value >= 1 ? BAR * 8 : value > 0 ? (unsigned)(value * BAR * 8 + 0.5) : 0, cells = 0;
    fputs(app_sgr(1, style), stdout);
    for (; cells < parts / 8; cells++)
        fputs(utf8 ? "\u2588" : "#", stdout);
    if (utf8 && parts % 8) {
        fputs(eighths[parts % 8], stdout);
        cells++;
    }
    printf("%s%s", app_sgr(1, APP_PLAIN), app_sgr(1, APP_DIM));
    for (; cells < BAR; cells++)
        fputs(utf8 ? "\u00b7" : ".", stdout);
    fputs(app_sgr(1, APP_PLAIN), stdout);
}

// "0.0421", or a dash; 6 wide.
static const char *number(char text[16], double value, int digits)
{
    if (isfinite(value))
        snprintf(text, 16, "%6.*f", digits, value);
    else
        snprintf(text, 16, "%6s", "-");
    return text;
}

static void print_layers(const struct vkd_diversity *d)
{
    const uint32_t last = d->threshold_count;
    int width = 5;
    for (uint32_t i = 0; i < d->layer_count; i++)
        if ((int)strlen(d->layers[i].name) > width)
            width = (int)strlen(d->layers[i].name);
    printf("%s%-*s  %-9s  %7s  %6s  %6s %6s  %6s %6s  %8s   at %6s  of the null%s\n", app_sgr(1, APP_DIM), width, "layer",
           "kind", "filters", "fan-in", "|cos|", "x null", "rank", "x null", "clusters", "1-cos", app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < d->layer_count; i++) {
        const struct vkd_layer_diversity *l = &d->layers[i];
        const double share = l->found.clusters[last] / l->null.clusters[last];
        char a[16], b[16], c[16], e[16], f[16], g[16];
        printf("%-*s  %-9s  %7u  %6u  %s %s  %s %s  %8.0f   at %s  ", width, l->name, vkd_layer_kind_name(l->kind), l->filters,
               l->fan_in, number(a, l->found.mean_cos, 4), number(b, l->found.mean_cos / l->null.mean_cos, 2),
               number(c, l->found.effective_rank, 1), number(e, l->found.effective_rank / l->null.effective_rank, 2),
               isfinite(share) ? l->found.clusters[last] : l->filters - l->dead, number(f, l->calibrated, 3));
        print_bar(isfinite(share) ? share : 1);
        printf(" %s", number(g, share, 2));
        if (l->dead)
            printf("  %s%u dead%s", app_sgr(1, APP_RED), l->dead, app_sgr(1, APP_PLAIN));
        putchar('\n');
    }
}

// Shares of filters that are clusters of their own, by threshold.
static void print_kinds(const struct vkd_diversity *d)
{
    printf("\n%sMeans over filters: clusters / filters, and below that of random filters%s\n%s%-9s  %6s  %7s",
           app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN), app_sgr(1, APP_DIM), "kind", "layers", "filters");
    for (uint32_t i = 0; i < d->threshold_count; i++)
        printf("  at%5.3g", d->thresholds[i]);
    printf("  calibr.   |cos|       z    rank%s\n", app_sgr(1, APP_PLAIN));
    for (int k = 0; k < VKD_LAYER_KIND_COUNT; k++) {
        const struct vkd_kind_diversity *g = &d->kinds[k];
        for (int null = 0; null < 2 && g->layers > 0; null++) {
            const struct vkd_filter_diversity *f = null ? &g->null : &g->found;
            char text[16], z[16], rank[16];
            fputs(app_sgr(1, null ? APP_DIM : APP_PLAIN), stdout);
            if (null)
                printf("%-9s  %6s  %7s", "  random", "", "");
            else
                printf("%-9s  %6u  %7u", vkd_layer_kind_name((enum vkd_layer_kind)k), g->layers, g->filters);
            for (uint32_t i = 0; i <= d->threshold_count; i++)
                printf("   %s", number(text, f->clusters[i], 3));
            printf("  %s  %s  %s%s", number(text, f->mean_cos, 4), number(z, f->z, 3), number(rank, f->effective_rank, 3),
                   app_sgr(1, APP_PLAIN));
            if (!null && g->dead)
                printf("  %s%u dead%s", app_sgr(1, APP_RED), g->dead, app_sgr(1, APP_PLAIN));
            putchar('\n');
        }
    }
}

void diversity_print(const char *path, const struct vkd_diversity *d)
{
    char name[1024];
    printf("%s%s%s: %s, width %u, %s%s; batch norm's scale %s the filters\n\n", app_sgr(1, APP_BOLD),
           app_printable(name, sizeof name, path), app_sgr(1, APP_PLAIN), d->model.arch, d->model.width,
           d->timm ? "timm's names" : "torchvision's names", d->missing ? ", not all of it" : "",
           d->folded ? "is part of" : "is not part of");
    print_layers(d);
    print_kinds(d);
    bool dead = false;
    for (int k = 0; k < VKD_LAYER_KIND_COUNT; k++)
        dead |= d->kinds[k].dead > 0;
    if (dead)
        printf("\nDead filters, all of whose weights are 0, are in no pair of |cos| and in no cluster.\n");
    printf("\nA bar is full where filters form as many clusters as random ones do at the distance 1 - cos where these\n"
           "begin to merge (95 %% of them left). |cos| above its null, and rank and clusters below theirs, are less\n"
           "diverse than chance. An untrained network is near 1 everywhere: read this beside accuracy, never alone.\n");
}

// ---- Features ----------------------------------------------------------------------------------

// A value and what it is of the null's.
static void print_share(double value, double null, int digits)
{
    char a[16], b[16];
    printf("  %s %s", number(a, value, digits), number(b, value / null, 2));
}

// A measure beside its null; it lies between 0 and `most`, 0 where it has no end.
static void print_feature(const char *name, double value, double null, double most, const char *says)
{
    printf("  %-17s", name);
    print_share(value, null, value >= 100 ? 1 : 3);
    fputs("  ", stdout);
    if (most > 0 && isfinite(value))
        print_bar(value / most);
    else
        printf("%*s", BAR, "");
    printf("  %s%s%s\n", app_sgr(1, APP_DIM), says, app_sgr(1, APP_PLAIN));
}

void diversity_print_features(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                              const char *split)
{
    const struct vkd_feature_values *m = &d->found, *n = &d->null;
    const struct vkd_layer_diversity *c = &d->channels;
    const double most = f->rows < f->dim ? f->rows : f->dim, wide = sqrt(f->dim);
    const uint32_t last = d->threshold_count;
    char name[1024];
    printf("\n%sFeatures%s, %u dimensions, of the first %u images of %s, split %s%s\n", app_sgr(1, APP_BOLD),
           app_sgr(1, APP_PLAIN), f->dim, f->rows, app_printable(name, sizeof name, data), split,
           f->told ? "" : "; input size and ImageNet's normalisation are assumed");
    printf("%s  %-17s  %6s %6s%s\n", app_sgr(1, APP_DIM), "measure", "value", "x null", app_sgr(1, APP_PLAIN));
    print_feature("RankMe", m->rankme, n->rankme, most, "dimensions in use; the bar is full where all are");
    print_feature("effective rank", m->effective_rank, n->effective_rank, most, "the same without RankMe's 1e-7");
    print_feature("eigenvalue rank", m->eigen_rank, n->eigen_rank, most, "the same of squared values");
    print_feature("Vendi", m->vendi, n->vendi, most, "images that differ, by cosine");
    if (f->views > 1)
        print_feature("LiDAR", m->lidar, n->lidar, most, "dimensions that tell images apart in spite of their views");
    print_feature("alpha-ReQ", m->alpha, n->alpha, 0, "decay of the spectrum; larger is collapsing, near 1 is said to be best");
    print_feature("std", m->std * wide, n->std * wide, 1, "spread times sqrt(dimensions); 0 is collapsed");
    print_feature("class separation", m->class_separation, n->class_separation, 0, "higher tends to transfer worse");
    print_feature("channel clusters", c->found.clusters[last] / f->dim, c->null.clusters[last] / f->dim, 1,
                  "channels that do not repeat others, where half of the null's do");
    if (c->dead)
        printf("  %s%u channel%s the same for all images%s\n", app_sgr(1, APP_RED), c->dead, c->dead == 1 ? " is" : "s are",
               app_sgr(1, APP_PLAIN));
    printf("The null is the mean over %u untrained network%s of the same make, on the same images.\n", d->draws,
           d->draws == 1 ? "" : "s");
}

static void print_layer_values(const struct vkd_feature_values *f, const struct vkd_feature_values *n, double clusters,
                               double null_clusters, int digits)
{
    print_share(f->rankme, n->rankme, digits);
    print_share(f->vendi, n->vendi, digits);
    print_share(f->lidar, n->lidar, digits);
    print_share(f->alpha, n->alpha, 2);
    print_share(f->class_separation, n->class_separation, 3);
    print_share(clusters, null_clusters, 3);
    putchar('\n');
}

void diversity_print_feature_layers(const struct vkd_feature_diversity *layers, uint32_t count,
                                    const struct vkd_features_aggregate *a, const char *data, const char *split)
{
    int width = 8;
    char name[1024];
    for (uint32_t i = 0; i < count; i++)
        if ((int)strlen(layers[i].layer) > width)
            width = (int)strlen(layers[i].layer);
    printf("\n%sFeatures%s layer by layer, averaged over each of the first %u images of %s, split %s\n", app_sgr(1, APP_BOLD),
           app_sgr(1, APP_PLAIN), layers[0].rows, app_printable(name, sizeof name, data), split);
    printf("%s%-*s  %5s  %6s %6s  %6s %6s  %6s %6s  %6s %6s  %6s %6s  %6s %6s%s\n", app_sgr(1, APP_DIM), width, "layer", "dims",
           "RankMe", "x null", "Vendi", "x null", "LiDAR", "x null", "alpha", "x null", "separ.", "x null", "chann.", "x null",
           app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_feature_diversity *d = &layers[i];
        const uint32_t last = d->threshold_count;
        printf("%-*s  %5u", width, app_printable(name, sizeof name, d->layer), d->dim);
        print_layer_values(&d->found, &d->null, d->channels.found.clusters[last] / d->dim,
                           d->channels.null.clusters[last] / d->dim, 1);
    }
    printf("%s%-*s  %5s", app_sgr(1, APP_BOLD), width, "mean", "");
    print_layer_values(&a->found, &a->null, a->clusters[0], a->clusters[1], 3);
    printf("%sThe mean is over dimensions; RankMe, Vendi and LiDAR are in it as shares of the dimensions. The null is\n"
           "the mean over %u untrained network%s of the same make, on the same images.\n", app_sgr(1, APP_PLAIN), layers[0].draws,
           layers[0].draws == 1 ? "" : "s");
}

// ---- Several models ----------------------------------------------------------------------------

void diversity_print_summary(const struct diversity_summary *models, uint32_t count)
{
    bool images = false;
    for (uint32_t i = 0; i < count; i++)
        images |= models[i].has_features;
    printf("\n%sSide by side%s: clusters at the calibrated distance, as shares of the filters\n%s%-9s  %13s  %13s  %13s  %s%s\n",
           app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN), app_sgr(1, APP_DIM), "kind", "clusters x null", "|cos| x null",
           "rank x null", "model", app_sgr(1, APP_PLAIN));
    for (int k = 0; k < VKD_LAYER_KIND_COUNT; k++)
        for (uint32_t i = 0; i < count; i++) {
            const struct vkd_kind_diversity *g = &models[i].kinds[k];
            const uint32_t last = models[i].threshold_count;
            char name[1024];
            if (!g->layers)
                continue;
            printf("%-9s", vkd_layer_kind_name((enum vkd_layer_kind)k));
            print_share(g->found.clusters[last], g->null.clusters[last], 3);
            print_share(g->found.mean_cos, g->null.mean_cos, 4);
            print_share(g->found.effective_rank, g->null.effective_rank, 3);
            printf("  %s\n", app_printable(name, sizeof name, models[i].path));
        }
    if (images)
        printf("%s%-9s  %13s  %13s  %13s%s\n", app_sgr(1, APP_DIM), "", "RankMe x null", "Vendi x null", "LiDAR x null",
               app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; images && i < count; i++) {
        const struct vkd_feature_values *f = &models[i].features.found, *n = &models[i].features.null;
        char name[1024];
        printf("%-9s", "features");
        print_share(f->rankme, n->rankme, 1);
        print_share(f->vendi, n->vendi, 1);
        print_share(f->lidar, n->lidar, 1);
        printf("  %s\n", app_printable(name, sizeof name, models[i].path));
    }
}

void diversity_print_cka(const char *const *paths, const double *values, uint32_t count)
{
    char name[1024], text[16];
    printf("\n%sLinear CKA%s of features (1: the same but for rotation and scale)\n", app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < count; i++) {
        printf("%4u", i + 1);
        for (uint32_t j = 0; j < count; j++)
            printf("  %s", number(text, values[(size_t)i * count + j], 3));
        printf("  %s\n", app_printable(name, sizeof name, paths[i]));
    }
}

void diversity_print_layers_cka(const struct vkd_layers_cka *c)
{
    char text[16];
    printf("\n%sLinear CKA%s of layers, averaged over each of %u images (1: the same but for rotation and scale)\n",
           app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN), c->images);
    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j <= i; j++)
            printf("  %s", number(text, c->values[i][j], 3));
        printf("  %s\n", c->names[i]);
    }
}
