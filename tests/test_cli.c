// test_cli.c -- the program as a user meets it: exit statuses, messages, JSON, the files of a short run.
#include "engine/safetensors.h"
#include "runtime/os.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"
#define DIR VKD_BINARY_DIR "/test_cli"

static char out[262144], err[65536];

static void slurp(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "rb");
    ck_assert(f != NULL);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

// Runs "ENVIRONMENT vkdiv ARGUMENTS"; returns its exit status, leaves its output in out and err.
static int run_with(const char *environment, const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof command, "cd " DIR " && env %s " PROGRAM " %s >out.txt 2>err.txt </dev/null", environment,
             arguments);
    int status = system(command);
    slurp(DIR "/out.txt", out, sizeof out);
    slurp(DIR "/err.txt", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static int run(const char *arguments)
{
    return run_with("", arguments);
}

static json_t *parsed(void)
{
    json_error_t e;
    json_t *doc = json_loads(out, 0, &e);
    ck_assert_msg(doc != NULL, "line %d: %s in\n%s", e.line, e.text, out);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "schema")), 1);
    return doc;
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in\n%s", part, text);
}

static void has_keys(const json_t *object, const char *keys)
{
    char key[64];
    for (; *keys; keys += strcspn(keys, " "), keys += *keys == ' ') {
        snprintf(key, sizeof key, "%.*s", (int)strcspn(keys, " "), keys);
        ck_assert_msg(json_object_get(object, key) != NULL, "no key %s in\n%s", key, out);
    }
}

static void write_file(const char *path, const void *data, size_t size)
{
    struct vkd__why why;
    ck_assert_msg(vkd__file_replace(path, data, size, &why) == VKD_OK, "%s", why.text);
}

// An idx set of `count` images a split whose class is the quarter of the image that is bright.
static void write_set(const char *dir, const char *split, uint32_t count, uint8_t label_max)
{
    char path[512];
    uint8_t *images = calloc(16 + count * 64, 1), labels[8 + 256] = { 0, 0, 8, 1, 0, 0, 0, (uint8_t)count };
    const uint8_t head[16] = { 0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, 8, 0, 0, 0, 8 };
    memcpy(images, head, sizeof head);
    for (uint32_t i = 0; i < count; i++) {
        labels[8 + i] = (uint8_t)(i % (label_max + 1u));
        for (uint32_t p = 0; p < 64; p++)
            images[16 + i * 64 + p] = (uint8_t)(((p / 32) * 2 + p % 8 / 4 == i % 4 ? 200 : 20) + i * 7 % 16);
    }
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", dir, split);
    write_file(path, images, 16 + count * 64);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", dir, split);
    write_file(path, labels, 8 + count);
    free(images);
}

static void setup(void)
{
    static const char recipe[] =
        "data: {train: 'idx:set', mean: [0.3, 0.3, 0.3]}\nmodel: {arch: resnet18, width: 4, size: 8}\n"
        "optimizer: {name: sgd, lr: 0.05}\nbatch: 16\nepochs: 2\n";
    struct vkd__why why;
    ck_assert_int_eq(system("rm -rf " DIR), 0);
    ck_assert(vkd__dir_create(DIR "/set", &why) == VKD_OK);
    write_set(DIR "/set", "train", 64, 3);
    write_set(DIR "/set", "t10k", 32, 3);
    write_file(DIR "/tab.yaml", "data:\n\ttrain: idx:set\n", 22);
    write_file(DIR "/small.yaml", recipe, sizeof recipe - 1);
}

// ---- Usage -------------------------------------------------------------------------------------

static const struct {
    const char *arguments;
    int status;
    const char *on_stdout, *on_stderr;
} usage[] = {
    { "--help", 0, "Usage: vkdiv", "" },
    { "help", 0, "Usage: vkdiv", "" },
    { "--version", 0, "vkdiv " VKD_VERSION, "" },
    { "help train", 0, "Usage: vkdiv train", "" },
    { "train --help", 0, "--resume", "" },
    { "train --list", 0, "simclr-fashion-tiny ", "" },
    { "eval --help", 0, "--split", "" },
    { "export --help", 0, "--format", "" },
    { "data --help", 0, "idx:DIR", "" },
    { "devices --help", 0, "--json", "" },
    { "doctor --help", 0, "--device", "" },
    { "", 2, "", "Usage: vkdiv" },
    { "trian", 2, "", "did you mean 'train'?" },
    { "help devcies", 2, "", "did you mean 'devices'?" },
    { "--jsno", 2, "", "unknown option '--jsno'" },
    { "devices --jsno", 2, "", "did you mean '--json'?" },
    { "train small.yaml --resmue", 2, "", "did you mean '--resume'?" },
    { "train small.yaml --sede=3", 2, "", "did you mean '--seed'?" },
    { "train", 2, "", "expected a RECIPE" },
    { "train a b", 2, "", "expected one RECIPE" },
    { "train fashion-resent", 2, "", "did you mean 'fashion-resnet'?" },
    { "train inject-liner-cifar10", 2, "", "did you mean 'inject-linear-cifar10'?" },
    { "train small.yaml --set optimizer.lrr=1", 2, "", "did you mean 'optimizer.lr'?" },
    { "train small.yaml --set optimzer.lr=1", 2, "", "unknown key 'optimzer'; did you mean 'optimizer'?" },
    { "train small.yaml --set batch=0", 2, "", "from 1 to 1048576, found 0" },
    { "train small.yaml --set init=nowhere --out r4", 2, "", "nowhere" },
    { "train tab.yaml", 2, "", "tab.yaml:2:1: not valid YAML: found character that cannot start any token (a tab;" },
    { "train small.yaml --set optimizer.lr=fast", 2, "", "expected a number, found 'fast'" },
    { "train small.yaml --seed -1", 2, "", "seed: expected" },
    { "train small.yaml --data idx:nowhere --out r", 2, "", "nowhere" },
    { "train small.yaml --data ixd:set --out r2", 2, "", "idx" },
    { "train small.yaml --out /proc/no/run", 2, "", "/proc/no" },
    { "train small.yaml --out small.yaml", 2, "", "expected a folder, found a file" },
    { "train small.yaml --resume", 2, "", "no run of small" },
    { "train small.yaml --resume --out r", 2, "", "r holds no run to resume" },
    { "train small.yaml --device nosuchgpu", 2, "", "nosuchgpu" },
    { "train small.yaml --set model.arch=resnet81 --out r3", 2, "", "resnet18" },
    { "eval nowhere", 2, "", "nowhere: no such run or file" },
    { "eval", 2, "", "expected RUN_OR_CKPT" },
    { "diversity --help", 0, "--threshold", "" },
    { "diversity", 2, "", "expected RUN_OR_CKPT" },
    { "diversity nowhere", 2, "", "nowhere: no such run or file" },
    { "diversity small.yaml", 2, "", "not a safetensors file" },
    { "diversity set", 2, "", "last.safetensors" },
    { "diversity small.yaml --threshold .3,.1", 2, "", "expected distances" },
    { "diversity small.yaml --threshold .3x", 2, "", "--threshold: expected" },
    { "diversity small.yaml --draws 0", 2, "", "--draws: expected" },
    { "diversity small.yaml --images 0", 2, "", "--images: expected" },
    { "diversity small.yaml --cka", 2, "", "give --data SPEC" },
    { "diversity small.yaml --data idx:set --partial", 2, "", "not a safetensors file" },
    { "features small.yaml --data idx:set --partial -o f", 2, "", "not a safetensors file" },
    { "diversity small.yaml --treshold .3", 2, "", "did you mean '--threshold'?" },
    { "report --help", 0, "--study", "" },
    { "report", 2, "", "expected RUN" },
    { "report nowhere", 2, "", "nowhere: not the folder of a run" },
    { "report set", 2, "", "set: not the folder of a run" },
    { "report set --images 9999", 2, "", "--images: expected" },
    { "report set -H nowhere/x.html", 2, "", "nowhere/x.html: cannot be written: nowhere is no folder" },
    { "study set --out small.yaml/x", 2, "", "small.yaml" },
    { "study set --html nowhere/x.html", 2, "", "nowhere/x.html: cannot be written" },
    { "study set --data idx:set --base idx:nowhere", 2, "", "expected finished runs" },
    { "report set --htlm x", 2, "", "did you mean '--html'?" },
    { "transfer --help", 0, "--select", "" },
    { "transfer", 2, "", "expected RUN_OR_CKPT" },
    { "transfer small.yaml", 2, "", "expected --data SPEC" },
    { "transfer small.yaml --tasks nowhere.txt", 2, "", "nowhere.txt" },
    { "transfer small.yaml --tasks small.yaml", 2, "", "small.yaml:1: expected a SPEC" },
    { "transfer nowhere --data idx:set", 2, "", "nowhere: no such run or file" },
    { "transfer small.yaml --data idx:set", 2, "", "not a safetensors file" },
    { "transfer small.yaml --data idx:set --protocol knm", 2, "", "did you mean 'knn'?" },
    { "transfer small.yaml --data idx:set --penalty 1,-1", 2, "", "--penalty: expected" },
    { "transfer small.yaml --data idx:set --holdout 1", 2, "", "--holdout: expected" },
    { "transfer small.yaml --data idx:set --class-weights even", 2, "", "expected none or balanced" },
    { "transfer set --data idx:set", 2, "", "set: not the folder of a run" },
    { "diversity set", 2, "", "set: not the folder of a run" },
    { "transfer small.yaml --data idx:set --k 0", 2, "", "--k: expected" },
    { "transfer small.yaml --data idx:set --lambda 1", 2, "", "give --select too" },
    { "transfer small.yaml --data idx:set --cache c --no-cache", 2, "", "exclude each other" },
    { "features --help", 0, "--layer", "" },
    { "features small.yaml", 2, "", "expected --data SPEC" },
    { "features small.yaml --data idx:set", 2, "", "expected -o FILE" },
    { "features small.yaml --data idx:set -o f", 2, "", "not a safetensors file" },
    { "eval small.yaml --batch 0", 2, "", "--batch: expected" },
    { "eval small.yaml --data idx:set", 2, "", "small.yaml" },
    { "export small.yaml -o x.safetensors", 2, "", "small.yaml" },
    { "export small.yaml", 2, "", "-o FILE" },
    { "export small.yaml -o x --format safetensor", 2, "", "did you mean 'safetensors'?" },
    { "data info idx:nowhere", 2, "", "nowhere" },
    { "data inof idx:set", 2, "", "did you mean 'info'?" },
    { "data info", 2, "", "expected info, check or preview" },
    { "data preview --help", 0, "--recipe", "" },
    { "data preview", 2, "", "expected a SPEC" },
    { "data prevew idx:set", 2, "", "did you mean 'preview'?" },
    { "data preview idx:nowhere", 2, "", "nowhere" },
    { "data preview idx:set --recipe simclr-fashoin", 2, "", "did you mean 'simclr-fashion'?" },
    { "data preview idx:set --set view1.blurr=1", 2, "", "did you mean 'view1.blur'?" },
    { "data preview idx:set --set view1.blur=2", 2, "", "from 0 to 1, found 2" },
    { "data preview idx:set --count 0", 2, "", "--count: expected" },
    { "data preview idx:set --draws 1000", 2, "", "fewer draws" },
    { "data preview idx:set -o nowhere/views.png", 2, "", "nowhere/views.png" },
    { "data preview idx:set -o views.jpg", 2, "", "ends in .png" },

    { "data info 'idx:set?limt=3'", 2, "", "limit" },
    { "data info 'idx:set?classes=7-19'", 2, "", "classes" },
    { "bench --help", 0, "roofline", "" },
    { "bench gmem", 2, "", "did you mean 'gemm'?" },
    { "bench --runs 0", 2, "", "--runs: expected" },
    { "bench model --set batch=8", 2, "", "expected a --recipe" },
    { "devices extra", 2, "", "unexpected argument 'extra'" },
};

START_TEST(usage_rows)
{
    int status = run(usage[_i].arguments);
    ck_assert_msg(status == usage[_i].status, "vkdiv %s: status %d, expected %d\n%s%s", usage[_i].arguments, status,
                  usage[_i].status, out, err);
    ck_assert_msg(access(DIR "/r", F_OK) != 0, "a training that was refused has left a folder");
    has(out, usage[_i].on_stdout);
    has(err, usage[_i].on_stderr);
    ck_assert_msg(strchr(out, '\033') == NULL && strchr(err, '\033') == NULL, "colours without a terminal");
    if (status == 2)
        ck_assert_msg(out[0] == 0, "an error leaves standard output alone:\n%s", out);
}
END_TEST

START_TEST(unknown_key_has_a_line)
{
    static const char text[] = "data: {train: 'idx:set'}\noptimizer:\n  lr: 0.1\n  momentun: 0.9\n";
    write_file(DIR "/wrong.yaml", text, sizeof text - 1);
    ck_assert_int_eq(run("train wrong.yaml"), 2);
    has(err, "wrong.yaml:4:3: unknown key 'optimizer.momentun'; did you mean 'optimizer.momentum'?");
}
END_TEST

// ---- Devices -----------------------------------------------------------------------------------

START_TEST(devices_json)
{
    ck_assert_int_eq(run("devices --json"), 0);
    json_t *doc = parsed(), *row = json_array_get(json_object_get(doc, "devices"), 0);
    has_keys(row, "index name type driver api memory fp16 coopmat subgroup uuid usable why");
    json_decref(doc);
    ck_assert_int_eq(run("doctor --json"), 0);
    doc = parsed();
    has_keys(doc, "devices selected drivers hints");
    json_decref(doc);
}
END_TEST

START_TEST(no_driver)
{
    const char *none = "VK_DRIVER_FILES=/nonexistent.json VK_ICD_FILENAMES=/nonexistent.json";
    ck_assert_int_eq(run_with(none, "doctor"), 3);
    has(out, "/nonexistent.json does not exist");
    has(out, "mesa-vulkan-drivers");
    ck_assert_int_eq(run_with(none, "doctor --json"), 3);
    json_decref(parsed());
    ck_assert_int_eq(run_with(none, "devices --json"), 3);
    json_decref(parsed());
    ck_assert_int_eq(run_with(none, "train small.yaml --out nodevice"), 3);
    has(err, "vkdiv doctor");
}
END_TEST

// ---- Data --------------------------------------------------------------------------------------

START_TEST(data_json)
{
    ck_assert_int_eq(run("data info idx:set --json"), 0);
    json_t *doc = parsed(), *split = json_array_get(json_object_get(doc, "splits"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(split, "count")), 64);
    json_decref(doc);
    ck_assert_int_eq(run("data check idx:set --json"), 0);
    doc = parsed();
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "count")), 96);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "broken")), 0);
    json_decref(doc);
}
END_TEST

// The size that a PNG's header gives.
static uint32_t png_size(const char *path, uint32_t *height)
{
    uint8_t *data;
    uint64_t size;
    struct vkd__why why;
    ck_assert_msg(vkd__file_read(path, 1 << 24, &data, &size, &why) == VKD_OK, "%s", why.text);
    ck_assert(size > 33 && memcmp(data + 1, "PNG", 3) == 0);
    uint32_t width = (uint32_t)data[18] << 8 | data[19];
    *height = (uint32_t)data[22] << 8 | data[23];
    free(data);
    return width;
}

// A set of two classes of which every image is this one of 2 x 2 pixels.
static void write_colours(const char *dir, const char pixels[12])
{
    char image[] = "P6 2 2 255 abcdefghijkl";
    static const char *const names[] = { "train/a", "train/b", "test/a", "test/b" };
    char path[256];
    struct vkd__why why;
    memcpy(image + sizeof image - 13, pixels, 12);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        ck_assert(vkd__dir_create(path, &why) == VKD_OK);
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s/%d.ppm", dir, names[i], k);
            write_file(path, image, sizeof image - 1);
        }
    }
}

START_TEST(preview)
{
    uint32_t height;
    ck_assert_int_eq(run("data preview idx:set --set model.size=8"), 0);
    has(out, "views.png: 8 images");
    has(out, "3 times the view for labels (none), view 1, view 2.");
    ck_assert_uint_eq(png_size(DIR "/views.png", &height), 4 + 10 * 96 + 3 * 14 + 6 * 4 + 4);
    ck_assert_uint_eq(height, 4 + 20 + 8 * 100);
    // The same sheet again; another for another seed; labels alone have one view.
    ck_assert_int_eq(run("data preview idx:set --set model.size=8 --output again.png"), 0);
    ck_assert_int_eq(system("cmp -s " DIR "/views.png " DIR "/again.png"), 0);
    ck_assert_int_eq(run("data preview idx:set --set model.size=8 --set seed=1 -o again.png"), 0);
    ck_assert_int_ne(system("cmp -s " DIR "/views.png " DIR "/again.png"), 0);
    ck_assert_int_eq(run("data preview --recipe small.yaml --count 2 --draws 1 --json"), 0);
    json_t *doc = parsed();
    has_keys(doc, "data path count draws views width height");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "views")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "black")), 0);
    json_decref(doc);
    write_colours(DIR "/dark", (char[12]){ 0 });
    ck_assert_int_eq(run("data preview folder:dark --recipe small.yaml --output again.png"), 0);
    has(err, "12 of 12 views are black");
    ck_assert_uint_eq(png_size(DIR "/views.png", &height), 4 + 96 + 14 + 96 + 4);
    // More pixels than one workgroup makes.
    ck_assert_int_eq(run("data preview idx:set --set model.size=100 --count 1"), 0);
}
END_TEST

START_TEST(kinds_of_labels)
{
    struct vkd__why why;
    ck_assert(vkd__dir_create(DIR "/bare", &why) == VKD_OK);
    write_file(DIR "/bare/a.ppm", "P6 1 1 255 abc", 14);
    write_file(DIR "/bare/b.ppm", "P6 1 1 255 abc", 14);
    ck_assert_int_eq(run("data info folder:bare"), 0);
    has(out, "2 colour images (the first of 1 x 1 pixels) without labels");
    write_file(DIR "/bare/list.csv", "path,labels\na.ppm,x|y\nlost.ppm,\nb.ppm,y\n", 40);
    ck_assert_int_eq(run("data info csv:bare/list.csv"), 0);
    has(out, "3 colour images (the first of 1 x 1 pixels) with targets for 2 classes");
    has(err, "1 of the 3 images of split train is missing: lost.ppm");
    ck_assert_int_eq(run("data check csv:bare/list.csv"), 2);
    has(out, "lost.ppm: cannot open");
    ck_assert_int_eq(run("data info 'idx:set?collage=2' --json"), 0);
    json_t *doc = parsed(), *split = json_array_get(json_object_get(doc, "splits"), 0);
    ck_assert(json_is_true(json_object_get(split, "multi_label")));
    ck_assert_int_eq(json_integer_value(json_object_get(split, "count")), 64);
    json_decref(doc);
    ck_assert_int_eq(run("data check 'idx:set?collage=2'"), 0);
    has(out, "96 images read, 0 broken");
    write_file(DIR "/bare/bad.csv", "path,label\na.ppm,x\n", 19);
    ck_assert_int_eq(run("data info csv:bare/bad.csv"), 2);
    has(err, "bad.csv:1:6: expected a header with the columns path, split, group and labels, found 'label'; did you mean "
        "'labels'?");
    ck_assert_int_eq(run("data --help"), 0);
    has(out, "holdout=0.1");
    ck_assert_int_eq(run("train small.yaml --data 'idx:set?collage=2' --out manifold"), 0);
    has(out, "Test mean average precision");
    ck_assert_int_eq(run("eval manifold --json"), 0);
    doc = parsed();
    double map = json_number_value(json_object_get(doc, "map")), map11 = json_number_value(json_object_get(doc, "map11"));
    ck_assert(map > 0 && map <= 1 && map11 > 0 && map11 <= 1);
    ck_assert_uint_gt(json_array_size(json_object_get(doc, "per_label")), 0);
    json_decref(doc);
    ck_assert_int_eq(run("train small.yaml --data 'idx:set?collage=2' --set loss=cross-entropy --out single"), 2);
    has(err, "expected bce or asl");
}
END_TEST

START_TEST(broken_split)
{
    struct vkd__why why;
    ck_assert(vkd__dir_create(DIR "/half", &why) == VKD_OK);
    write_set(DIR "/half", "train", 64, 3);
    write_set(DIR "/half", "t10k", 32, 3);
    write_file(DIR "/half/train-labels-idx1-ubyte", "cut", 3);
    ck_assert_int_eq(run("data check idx:half"), 2);
    has(out, "32 images read");
    has(err, "train-labels-idx1-ubyte");
    ck_assert_int_eq(run("data info idx:half --json"), 2);
    json_decref(parsed());
    ck_assert_int_eq(run("data check 'idx:half?split=test'"), 0);
}
END_TEST

START_TEST(broken_data)
{
    struct vkd__why why;
    ck_assert(vkd__dir_create(DIR "/pictures/cat", &why) == VKD_OK);
    ck_assert(vkd__dir_create(DIR "/pictures/dog", &why) == VKD_OK);
    write_file(DIR "/pictures/cat/a.png", "not a png", 9);
    write_file(DIR "/pictures/dog/b.ppm", "P6 1 1 255 abc", 14);
    int status = run("data check folder:pictures");
    ck_assert_msg(status == 2, "status %d\n%s%s", status, out, err);
    has(out, "a.png");
    write_file(DIR "/pictures/dog/\xff\033c.png", "not a png", 9);
    ck_assert_int_eq(run("data check folder:pictures"), 2);
    has(out, "\\x1bc.png");
    has(out, "3 images read, 2 broken");
    ck_assert_int_eq(run("data check --json folder:pictures"), 2);
    json_t *doc = parsed();
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "broken")), 2);
    has(out, "dog/\\\\xff\\\\x1bc.png");
    json_decref(doc);
    status = run("train small.yaml --data 'folder:pictures?split=all' --set data.bad_limit=0 --set batch=2 --out bad");
    ck_assert_msg(status == 2, "status %d\n%s%s", status, out, err);
    has(err, "a.png");
}
END_TEST

// ---- A run -------------------------------------------------------------------------------------

START_TEST(train_eval_export)
{
    int status = run("train small.yaml --out run --seed 3");
    ck_assert_msg(status == 0, "status %d\n%s%s", status, out, err);
    has(out, "Test accuracy");
    has(out, "vkdiv eval run");
    static const char *const files[] = { "run.json", "metrics.jsonl", "last.safetensors", "best.safetensors", "report.html",
                                         "diversity.json" };
    for (int i = 0; i < 6; i++) {
        char path[256];
        snprintf(path, sizeof path, DIR "/run/%s", files[i]);
        ck_assert_msg(vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE, "no %s", path);
    }
    ck_assert_int_eq(run("eval run --json"), 0);
    json_t *doc = parsed();
    has_keys(doc, "data split count loss top1 top5 per_class");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "count")), 32);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "data")), "idx:set");
    json_decref(doc);
    ck_assert_int_eq(run("eval run/best.safetensors --data idx:set --split train"), 0);
    has(out, "64 images");

    // Diversity of other weights is measured anew.
    write_file(DIR "/run/diversity.json", "{\"weights_hash\": \"0\"}", 21);
    ck_assert_int_eq(run("report run/ --json --html page.html"), 0);
    doc = parsed();
    has_keys(doc, "html bytes runs notes");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "notes")), 0);
    json_decref(doc);
    ck_assert_int_eq(run_with("VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none", "report run --images 0 -H page.html"), 0);
    ck_assert_int_eq(run_with("VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none", "report run -o page.html"), 0);
    has(out, "1 thing could not be shown");
    slurp(DIR "/run/diversity.json", out, sizeof out);
    has(out, "\"layers\"");

    ck_assert_int_eq(run("export run --format safetensors --names torchvision -o model.safetensors"), 0);
    has(out, "resnet18");
    ck_assert_int_eq(system("cmp -s " DIR "/model.safetensors " DIR "/run/last.safetensors"), 0);
    ck_assert_int_eq(system("head -c 5000 " DIR "/model.safetensors > " DIR "/cut.safetensors"), 0);
    ck_assert_int_eq(run("export cut.safetensors -o never.safetensors"), 2);
    ck_assert(vkd__path_kind(DIR "/never.safetensors", NULL, NULL) == VKD__PATH_NONE);
    ck_assert_int_eq(run("eval cut.safetensors --data idx:set"), 2);

    // To resume a run that is complete changes none of its results.
    ck_assert_int_eq(run("train small.yaml --out run --seed 3 --resume"), 0);
    has(out, "nothing to resume");
    slurp(DIR "/run/run.json", out, sizeof out);
    json_t *results = json_object_get(doc = parsed(), "results");
    ck_assert(json_is_true(json_object_get(results, "complete")));
    ck_assert(json_number_value(json_object_get(results, "images_per_second")) > 0);
    json_decref(doc);

    // The folder of another run is not written over.
    ck_assert_int_eq(run("train small.yaml --out run --seed 4"), 2);
    has(err, "run");
}
END_TEST

// Of the run that train_eval_export has made.
START_TEST(diversity_of_run)
{
    ck_assert_int_eq(run("diversity run --json --threshold .2,.9"), 0);
    json_t *doc = parsed();
    has_keys(doc, "model arch layers aggregate batch_norm_folded");
    const json_t *layer = json_array_get(json_object_get(doc, "layers"), 1);
    has_keys(layer, "name kind filters fan_in mean_abs_cos max_abs_cos effective_rank clusters null ratio");
    ck_assert_uint_eq(json_array_size(json_object_get(layer, "clusters")), 3);
    has_keys(json_array_get(json_object_get(layer, "clusters"), 0), "threshold count null");
    has_keys(json_object_get(doc, "aggregate"), "3x3 1x1 linear");
    json_decref(doc);
    ck_assert_int_eq(run("diversity run run/last.safetensors --json"), 0);
    doc = parsed();
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "models")), 2);
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --fold-bn"), 0);
    has(out, "batch norm's scale is part of the filters");
    has(out, "layer4.1.conv2");
    ck_assert_int_eq(run("diversity run run/last.safetensors --data idx:set --images 24 --views 2 --cka --json"), 0);
    has(err, "24 images cannot show all 32 dimensions");
    doc = parsed();
    const json_t *features = json_object_get(json_array_get(json_object_get(doc, "models"), 0), "features");
    has_keys(features, "data split images dim rankme effective_rank lidar alpha_req vendi std class_separation channels layer "
             "null ratio untrained_networks");
    has_keys(json_object_get(features, "null"), "rankme effective_rank eigen_rank lidar alpha_req vendi std class_separation");
    ck_assert_double_eq_tol(json_number_value(json_object_get(json_object_get(features, "ratio"), "rankme")) *
                            json_number_value(json_object_get(json_object_get(features, "null"), "rankme")),
                            json_number_value(json_object_get(features, "rankme")), 1e-4);
    ck_assert(vkd__path_kind(DIR "/run/diversity-null.json", NULL, NULL) == VKD__PATH_FILE);
    ck_assert_int_eq(json_integer_value(json_object_get(features, "images")), 24);
    double rank = json_number_value(json_object_get(features, "rankme"));
    ck_assert(rank >= 1 && rank <= 24);
    const json_t *cka = json_array_get(json_object_get(doc, "cka"), 1);
    ck_assert_double_eq_tol(json_number_value(json_array_get(cka, 1)), 1, 1e-9);
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --batch 5 --json"), 0);
    doc = parsed();
    features = json_object_get(doc, "features");
    ck_assert_double_eq_tol(json_number_value(json_object_get(features, "rankme")), rank, 1e-4 * rank);
    ck_assert(json_is_null(json_object_get(features, "lidar")));
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --cka --json"), 0);
    doc = parsed();
    cka = json_object_get(doc, "cka_layers");
    has_keys(cka, "layers images values");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(cka, "layers"), 4)), "layer4");
    const json_t *last = json_array_get(json_object_get(cka, "values"), 4);
    ck_assert_uint_eq(json_array_size(last), 5);
    ck_assert_double_eq_tol(json_number_value(json_array_get(last, 4)), 1, 1e-9);
    const double near = json_number_value(json_array_get(last, 3));
    ck_assert_double_eq(near, json_number_value(json_array_get(json_array_get(json_object_get(cka, "values"), 3), 4)));
    ck_assert(near <= 1 && near > json_number_value(json_array_get(last, 0)));
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --cka"), 0);
    has(out, "  1.000  layer4");
    ck_assert_int_eq(run("diversity run --data idx:nowhere"), 2);
    has(err, "nowhere");
    ck_assert_str_eq(out, "");                      // found before any work
    ck_assert_int_eq(run("diversity run run/last.safetensors --data idx:set --layer layer2,laier3"), 2);
    has(err, "no layer 'laier3'; at the ends of stages it has features, bn1, layer1, layer2");
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(run("diversity run --layer layer2"), 2);
    has(err, "give --data SPEC");
    ck_assert_int_eq(run("diversity run --data idx:set --layer layer2,,layer3"), 2);
    has(err, "expected at most 16 names");
    ck_assert_int_eq(run("diversity run --data idx:set --images 40 --views 0 --draws 1 --layer all --json"), 0);
    doc = parsed();
    const json_t *others = json_object_get(doc, "feature_layers");
    ck_assert_uint_eq(json_array_size(others), 4);  // the end of the last stage is what stands before the classifier
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(others, 3), "layer")), "layer3");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(doc, "features"), "layer")), "features");
    has_keys(json_object_get(doc, "feature_aggregate"), "layers rankme null ratio channel_clusters");
    json_decref(doc);
    ck_assert_int_eq(run("diversity run run/best.safetensors --data idx:set --images 40 --views 2 --draws 1 "
                         "--layer layer3,layer2"), 0);
    has(out, "Features layer by layer");
    has(out, "Side by side");
    ck_assert_int_eq(run("diversity run --data idx:set --images 40 --views 2 --draws 1"), 0);
    has(out, "The null is the mean over 1 untrained network of");
}
END_TEST

START_TEST(transfer_of_run)
{
    write_colours(DIR "/colour", "abcdefghijkl");
    ck_assert_int_eq(run("transfer run --data idx:set --data 'idx:set?collage=2' --k 3 --json"), 0);
    json_t *doc = parsed();
    const json_t *tasks = json_object_get(doc, "tasks");
    ck_assert_uint_eq(json_array_size(tasks), 4);
    for (size_t i = 0; i < 4; i++) {
        has_keys(json_array_get(tasks, i), "model data protocol metric value low high log_odds chosen metrics text file");
        ck_assert(!json_is_true(json_object_get(json_array_get(tasks, i), "resumed")));
    }
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(tasks, 3), "metric")), "map");
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "mean_log_odds")), 2);
    json_decref(doc);
    ck_assert_int_eq(run("transfer run --data idx:set --data 'idx:set?collage=2' --k 3"), 0);
    has(out, "(as before)");
    has(out, "Mean log-odds over 2 tasks");
    static const char list[] = "# two\nidx:set metric=mean_per_class  by classes\nidx:nowhere  gone\nidx:set?collage=2\n";
    write_file(DIR "/tasks.txt", list, sizeof list - 1);
    ck_assert_int_eq(run("transfer run --data idx:set --tasks tasks.txt --k 3 --protocol knn --json"), 0);
    has(err, "idx:nowhere is left out");
    doc = parsed();
    static const char *const metrics[] = { "top1", "mean_per_class", "map" };
    tasks = json_object_get(doc, "tasks");
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(tasks, i), "metric")), metrics[i]);
    tasks = json_object_get(json_array_get(tasks, 1), "metrics");
    has_keys(tasks, "top1 mean_per_class");                         // both are kept
    json_decref(doc);
    ck_assert_int_eq(run("transfer run --tasks tasks.txt --k 3 --protocol knn"), 0);
    has(out, "mean_per_class");
    has(out, "top1 ");                                              // and shown
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --protocol knn --out kept --select"), 2);
    has(err, "expected its folder");
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --protocol knn --no-cache"), 0);
    has(out, "Paired permutation tests");
    ck_assert_int_eq(run("transfer run/last.safetensors --data idx:set --protocol linear"), 0);
    has(out, "Nothing was kept");
    ck_assert_int_eq(run("transfer run --data idx:set --protocol knn --select --lambda 0.5"), 0);
    has(out, "the choice brings");
    ck_assert_int_eq(run("transfer run --data idx:nowhere"), 2);
    has(err, "nowhere");
    for (int i = 0; i < 2; i++) {                                   // seen before any work, and told once
        ck_assert_int_eq(run(i ? "transfer run --data idx:set --protocol knn --layer laier1 --select"
                               : "transfer run --data idx:set --protocol knn --layer laier1"), 2);
        const char *told = strstr(err, "has no layer 'laier1'");
        ck_assert(told != NULL && strstr(err, "error:") < told && strstr(told, "error:") == NULL);
        ck_assert_ptr_null(strstr(err, "not chosen from"));
    }
    ck_assert_int_eq(run("transfer run --data idx:set --data idx:nowhere"), 2);
    ck_assert_ptr_null(strstr(out, "as before"));                   // it is seen before any work
    ck_assert_int_eq(run("transfer run --data idx:set --protocol knn --out small.yaml/x"), 2);      // no folder can be there
    has(err, "name a folder for results with --out");
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --data folder:colour --protocol knn --out fresh"), 2);
    has(err, "takes images of 1 channel, folder:colour has 3: train it with --set model.channels=3");
    ck_assert_str_eq(out, "");
    ck_assert(vkd__path_kind(DIR "/fresh", NULL, NULL) == VKD__PATH_NONE);
    ck_assert_int_eq(run("transfer run run/best.safetensors --data idx:set --protocol knn --k 999 --no-cache --out many"), 0);
    const char *warned = strstr(err, "take a smaller --k");
    ck_assert(warned != NULL && strstr(warned + 1, "take a smaller --k") == NULL);      // once
    ck_assert_int_eq(run("transfer run run/last.safetensors run/best.safetensors --data idx:set --protocol knn --json"), 0);
    doc = parsed();
    const json_t *pairs = json_object_get(doc, "comparisons");
    ck_assert_uint_eq(json_array_size(pairs), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert(json_number_value(json_object_get(json_array_get(pairs, i), "p_holm")) >=
                  json_number_value(json_object_get(json_array_get(pairs, i), "p")));
    json_decref(doc);
}
END_TEST

START_TEST(features_of_run)
{
    ck_assert_int_eq(run("features run --data idx:set --layer layer3 -o f.safetensors --json"), 0);
    json_t *doc = parsed();
    has_keys(doc, "model data split layer path count dim");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "count")), 32);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "dim")), 16);
    json_decref(doc);
    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open(DIR "/f.safetensors", NULL, &f), VKD_OK);
    const struct vkd__st_tensor *features = vkd__st_find(f, "features"), *paths = vkd__st_find(f, "paths");
    ck_assert(features && paths && vkd__st_find(f, "labels") && features->shape[0] == 32 && features->shape[1] == 16);
    ck_assert_str_eq(paths->data, "t10k-images-idx3-ubyte[0]");
    ck_assert_ptr_nonnull(strstr(vkd__st_metadata(f, "class_names"), "[\"0\",\"1\",\"2\""));
    vkd__st_close(&f);
    ck_assert_int_eq(run("features run --data idx:set --layer layer9 -o f.safetensors"), 2);
    has(err, "layer1, layer2");
    ck_assert_int_eq(run("features run --data idx:set --split train --images 5 -o nowhere/f.safetensors"), 2);
    has(err, "nowhere");
}
END_TEST

START_TEST(bench_json)
{
    int status = run("bench ops --runs 1 --only relu --json");
    ck_assert_msg(status == 0, "status %d\n%s%s", status, out, err);
    json_t *doc = parsed();
    has_keys(doc, "device roofline results");
    has_keys(json_object_get(doc, "roofline"), "copy_gb_s f32_gflops f16_gflops");
    has_keys(json_array_get(json_object_get(doc, "results"), 0), "name shape dtype variant ms gflops gb_s gelem_s share");
    json_decref(doc);
}
END_TEST

START_TEST(bench_model_json)
{
    int status = run("bench model --runs 1 --set model.width=4 --set model.size=8 --set ssl.projector_hidden=16 "
                     "--recipe supervised-cifar10 --set batch=16 --recipe simclr-cifar10 --set batch=8 --json");
    ck_assert_msg(status == 0, "status %d\n%s%s", status, out, err);
    json_t *doc = parsed();
    json_t *rows = json_object_get(doc, "results"), *ratios = json_object_get(doc, "ratios");
    ck_assert_uint_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i), *part;
        json_t *parts = json_object_get(row, "parts");
        const char *key;
        double sum = 0;
        has_keys(row, "name shape dtype variant ms gflops share images_per_second memory_bytes waits parts");
        has_keys(parts, "augmentation backbone heads loss monitors update rest");
        json_object_foreach(parts, key, part)
            sum += json_number_value(json_object_get(part, "share"));
        ck_assert_double_eq_tol(sum, 1, 1e-6);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "waits")), 0);
        ck_assert(json_number_value(json_object_get(row, "memory_bytes")) > 0);
    }
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(rows, 1), "shape")), "N8 x 2 views H8");
    ck_assert_uint_eq(json_array_size(ratios), 1);
    has_keys(json_array_get(ratios, 0), "name base time time_low time_high memory");
    json_decref(doc);
    ck_assert_int_eq(run("bench model --recipe simclr-cifra10"), 2);
    has(err, "simclr-cifar10");
}
END_TEST

START_TEST(interrupt_and_resume)
{
    // Waits for the first step, then interrupts.
    int made = system(
        "cd " DIR " && (" PROGRAM " train small.yaml --set epochs=100000 --out stopped >out.txt 2>err.txt </dev/null & "
        "p=$!; n=0; while [ $n -lt 100 ] && ! grep -qs step stopped/metrics.jsonl; do n=$((n + 1)); sleep 0.2; done; "
        "kill -INT $p; wait $p; echo $? >status.txt)");
    ck_assert_int_eq(made, 0);
    slurp(DIR "/status.txt", out, sizeof out);
    slurp(DIR "/err.txt", err, sizeof err);
    ck_assert_msg(atoi(out) == 130, "status %s\n%s", out, err);
    slurp(DIR "/out.txt", out, sizeof out);
    has(out, "--resume");
    int status = run("train small.yaml --out stopped --resume");
    ck_assert_msg(status == 2, "another recipe was resumed: %d\n%s", status, err);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cli");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, usage_rows, 0, sizeof usage / sizeof usage[0]);
    tcase_add_test(t, unknown_key_has_a_line);
    tcase_add_test(t, devices_json);
    tcase_add_test(t, no_driver);
    tcase_add_test(t, data_json);
    tcase_add_test(t, preview);
    tcase_add_test(t, kinds_of_labels);
    tcase_add_test(t, broken_split);
    tcase_add_test(t, broken_data);
    tcase_add_test(t, train_eval_export);
    tcase_add_test(t, diversity_of_run);
    tcase_add_test(t, transfer_of_run);
    tcase_add_test(t, features_of_run);
    tcase_add_test(t, bench_json);
    tcase_add_test(t, bench_model_json);
    tcase_add_test(t, interrupt_and_resume);
    Suite *s = suite_create("cli");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
