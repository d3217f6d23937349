// test_cli.c -- the program as a user meets it: exit statuses, messages, JSON, the files of a short run. What is measured of a
// run: test_cli_measures.c.
#define DIR VKD_BINARY_DIR "/test_cli"
#include "cli.h"

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
    write_file(DIR "/bare/one.csv", "path,group,labels\na.ppm,g,x\nb.ppm,g,y\n", 38);
    ck_assert_int_eq(run("data info 'csv:bare/one.csv?holdout=0.5'"), 2);
    has(out, "train: 2 colour images");
    has(err, "nothing of 2 images can be held out: expected two groups");
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
