// graph.h -- describing a computation: tensors, parameters and operations.
//
// A graph is only a description. vkd_program (program.h) compiles one for a device. Errors stick:
// after the first one every builder returns NULL and does nothing, so model code needs no checks;
// vkd_graph_error tells the first error with the operation's name and shapes.
#ifndef VKDIV_GRAPH_H
#define VKDIV_GRAPH_H

#include <vkdiv/base.h>

VKD_BEGIN

typedef struct vkd_graph  vkd_graph;
typedef struct vkd_tensor vkd_tensor;   // owned by its graph

// VKD_BF16 is the upper half of an f32. The types of 16 bits are for storage: arithmetic is f32.
enum vkd_dtype { VKD_F32, VKD_F16, VKD_U32, VKD_BF16 };

// Shapes are (N, H, W, C), unused leading dimensions 1. In memory the last dimension is padded to
// a multiple of 4 and the padding holds zeros, always. A convolution's weight is (R, S, C, K), a
// matrix (1, 1, rows, columns), a vector (1, 1, 1, C). The C of a convolution's weight is the padded
// channel count of its input, or with groups its unpadded share of them.
struct vkd_shape { uint32_t d[4]; };

// The attributes of every operation, by the field's usual names; each operation says which it
// reads. Zero means the usual default where one is named.
struct vkd_attr {
    uint32_t kernel[2];         // (R, S) of a pooling window
    uint32_t stride[2];         // default 1; pooling: default kernel
    uint32_t pad[2];            // rows above and below, columns left and right
    uint32_t dilation[2];       // default 1
    uint32_t groups;            // default 1
    uint32_t activation;        // enum vkd_activation
    uint32_t trans_a, trans_b;  // matmul
    uint32_t dtype;             // cast: enum vkd_dtype
    uint32_t axes;              // reductions: bit i reduces dimension i
    uint32_t begin, end;        // slice along C, slice_rows along N; row_index
    uint32_t stream;            // dropout: which random stream; weigh: which weight
    uint32_t count_pad;         // average pooling: 1 counts the padding
    uint32_t algorithm;         // conv2d: enum vkd_conv_algorithm
    float    eps, momentum, alpha, beta, label_smoothing, p;
    uint32_t iterations;        // sinkhorn
    float    gamma_neg, gamma_pos, clip;    // asl
    uint32_t focal_grad;        // asl: 1: the gradient also flows through the focal weight
};

enum vkd_activation { VKD_ACT_NONE, VKD_ACT_RELU, VKD_ACT_RELU6 };
enum vkd_conv_algorithm { VKD_CONV_AUTO, VKD_CONV_DIRECT, VKD_CONV_WINOGRAD };

// How a parameter starts (PyTorch's definitions; fan counts use unpadded channels).
enum vkd_init {
    VKD_INIT_ZERO, VKD_INIT_ONE,
    VKD_INIT_KAIMING_FAN_OUT,       // normal, std = sqrt(2 / fan_out)
    VKD_INIT_LINEAR,                // U(-b, b), b = 1 / sqrt(fan_in): nn.Linear weight and bias, nn.Conv2d
    VKD_INIT_NORMAL_001,            // normal, std 0.01
    VKD_INIT_UNIT_ROWS,             // random directions: each row (d[3]) has length 1
};

// ---- Graphs ----

// Thread-safety of everything below: one graph per thread at a time.
VKD_CHECKED vkd_result vkd_graph_create(const struct vkd_log *log, vkd_graph **out);
void vkd_graph_destroy(vkd_graph **g);

// The first error's text, or NULL while all is well.
const char *vkd_graph_error(const vkd_graph *g);

// Declares the first error from outside (a model that finds its own arguments wrong). NULL.
vkd_tensor *vkd_graph_fail(vkd_graph *g, const char *format, ...) VKD_PRINTF(2, 3);

struct vkd_shape vkd_tensor_shape(const vkd_tensor *t);     // all zero for NULL

// A tensor that the caller fills before each run. vkd_input_grad also keeps the loss's gradient with
// respect to it, f32 of the same shape, under the name NAME + ".grad"; 0 where the loss does not depend on it.
vkd_tensor *vkd_input(vkd_graph *g, const char *name, enum vkd_dtype dtype, struct vkd_shape shape);
vkd_tensor *vkd_input_grad(vkd_graph *g, const char *name, struct vkd_shape shape);

// A trainable parameter. `name` is unique in its graph; the same name in another graph is the same
// parameter. `fan_in`/`fan_out` count unpadded elements.
struct vkd_param_params {
    const char *name;
    struct vkd_shape shape;     // in memory: see struct vkd_shape
    uint32_t logical_in;        // unpadded C of a (R, S, C, K) weight; 0: shape.d[2]
    enum vkd_init init;
    uint32_t fan_in, fan_out;   // 0: from the shape
    uint32_t rank;              // in files, as in PyTorch: 1 (C), 2 (K, C), 4 (K, C, R, S); 0: from the shape, a
                                // (1, 1, C, K) being a matrix
    bool state;                 // not trained: running statistics
    bool no_decay;              // weight decay never applies (norms, biases)
};
vkd_tensor *vkd_param(vkd_graph *g, const struct vkd_param_params *p);

// Applies the operation `name` (see engine/ops/). Returns its first output; the others by
// vkd_output. `attr` may be NULL. An operation without outputs, which only updates a state, returns NULL.
vkd_tensor *vkd_apply(vkd_graph *g, const char *name, vkd_tensor *const *in, uint32_t in_count,
                      const struct vkd_attr *attr);

// Output `index` of the operation that made `t`.
vkd_tensor *vkd_output(vkd_tensor *t, uint32_t index);

// Names `t` for later look-up (features, logits, loss, ...) and keeps its contents after a run.
vkd_tensor *vkd_mark(vkd_graph *g, vkd_tensor *t, const char *name);

// The input, parameter or marked tensor called `name`, or NULL.
vkd_tensor *vkd_graph_find(const vkd_graph *g, const char *name);

// ---- Scopes ----

// How parameters and names are declared between vkd_scope_begin and vkd_scope_end. Scopes do not nest.
struct vkd_scope {
    const char *params;         // put before the names of parameters: "teacher."; NULL: nothing
    const char *marks;          // put before the names of marked tensors: "view1."; NULL: nothing
    bool shared;                // a parameter that the graph has already, in the same shape, is used again
    bool frozen;                // parameters are states: no gradient, no optimiser
    bool inference;             // batch norm and dropout act as in evaluation, whatever the program does
    float norm_momentum;        // of batch norms made by layers.h: share of a batch in the running statistics; 0: 0.1
    enum vkd_dtype precision;   // VKD_F16, VKD_BF16: layers of layers.h cast what they take to it, so that they store in
                                // it; parameters, statistics and arithmetic are f32 all the same
};

// Begins a scope (its texts are borrowed until the end). Errors stick to the graph.
void vkd_scope_begin(vkd_graph *g, const struct vkd_scope *scope);
void vkd_scope_end(vkd_graph *g);

// Stops gradients: the same values, but nothing flows back. (No copy is made.)
vkd_tensor *vkd_detach(vkd_graph *g, vkd_tensor *x);

// The loss whose gradient the program computes: shape (1, 1, 1, 1).
void vkd_graph_loss(vkd_graph *g, vkd_tensor *loss);

VKD_END
#endif
