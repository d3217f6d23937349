// augment_photo -- a view with operations on colours: crop, resize, flip, colour jitter in the drawn
// order, gray, blur, solarize, normalise. A workgroup makes up to 1024 pixels of one image.
//
// `whole` does it all, for images of no more pixels than that. Larger ones go through `before`: what
// comes before the contrast, whose mean needs the whole image; `after`: contrast and what follows, in
// images that drew it; and augment_blur. Between these, y holds colours.
//: axis whole:STAGE=0 before:STAGE=1 after:STAGE=2
#version 450
#extension GL_GOOGLE_include_directive : require
#include "augment_photo.glsl"
#include "batch_image.h"
#include "step_block.h"
#define WHOLE 0
#define BEFORE 1
#define AFTER 2
layout(local_size_x = 128) in;
#if STAGE == AFTER
layout(binding = 0, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 1, std430) readonly restrict buffer Drawn { vkd_augment_drawn drawn[]; };  // (batch)
layout(binding = 2) readonly restrict buffer Sums { float sums[]; };            // (batch, chunks)
layout(binding = 3) restrict buffer Y { vec4 y[]; };                            // (batch, size, size, 1)
#else
#include "augment_resize.glsl"
layout(binding = 0, std430) readonly restrict buffer Table { vkd_batch_entry table[]; };
layout(binding = 2, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 3, std430) readonly restrict buffer Drawn { vkd_augment_drawn drawn[]; };
layout(binding = 4) writeonly restrict buffer Y { vec4 y[]; };
#endif
#if STAGE == BEFORE
layout(binding = 5) writeonly restrict buffer Sums { float sums[]; };
#endif

uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
uint n = group / pc.chunks, pixel_count = pc.size * pc.size, base = n * pixel_count;    // image, its pixels
uint first = group % pc.chunks * PIXELS, end = min(first + PIXELS, pixel_count);        // this workgroup's

// Colours between the steps.
#if STAGE == WHOLE
shared float colors[CHANNELS * PIXELS];

void keep(uint p, vec3 c)
{
    for (uint k = 0; k < CHANNELS; k++)
        colors[k * PIXELS + p] = c[k];
}

vec3 kept(uint p)
{
    return CHANNELS == 1 ? vec3(colors[p]) : vec3(colors[p], colors[PIXELS + p], colors[2 * PIXELS + p]);
}
#else
void keep(uint p, vec3 c) { y[base + p] = vec4(c, 0); }
#endif
#if STAGE == AFTER
vec3 kept(uint p) { return y[base + p].xyz; }
#endif

// What comes before the contrast, all but the blur without one. Returns the sum of gray of this lane.
#if STAGE != AFTER
float start(vkd_augment_drawn d, uint contrast, bool blur)
{
    vkd_batch_entry image = table[n];
    float sum = 0;
    for (uint p = first + lane; p < end; p += LOCAL) {
        vec3 c = viewed(d.view, image.ofs, image.width, pc.size, p / pc.size, p % pc.size);
        c = jitter(c, d, 0, contrast, 0);
        sum += gray_of(c);
        if (contrast == 4)
            c = grayed(c, d);
        if (contrast < 4 || blur)
            keep(p, c);
        else
            y[base + p] = finished(c, d);
    }
    return sum;
}
#endif

// The contrast and what follows up to the blur.
#if STAGE != BEFORE
void go_on(vkd_augment_drawn d, uint contrast, bool blur, float mean)
{
    for (uint p = first + lane; p < end; p += LOCAL) {
        vec3 c = grayed(jitter(kept(p), d, contrast, 4, mean), d);
        if (blur)
            keep(p, c);
        else
            y[base + p] = finished(c, d);
    }
}
#endif

// Straight in two dimensions: the kernel is of 3 x 3 as a rule.
#if STAGE == WHOLE
vec3 blurred(int row, int col)
{
    int reach = int(pc.blur_half);
    vec3 sum = vec3(0);
    for (int i = -reach; i <= reach; i++) {
        uint line = reflected(row + i) * pc.size;
        vec3 across = vec3(0);
        for (int j = -reach; j <= reach; j++)
            across += blur_weights[abs(j)] * kept(line + reflected(col + j));
        sum += blur_weights[abs(i)] * across;
    }
    float total = blur_total();
    return sum / (total * total);
}
#endif

void main()
{
    if (n >= pc.batch)
        return;
    if (n >= step_block.image_count) {
        for (uint p = first + lane; STAGE != AFTER && p < end; p += LOCAL)
            y[base + p] = vec4(0);
        return;
    }
    vkd_augment_drawn d = drawn[n];
    uint contrast = contrast_step(d);
    bool blur = has(d, VKD_OP_BLUR);
    float sum = 0;
#if STAGE != AFTER
    sum = start(d, contrast, blur);
#else
    for (uint k = lane; contrast < 4 && k < pc.chunks; k += LOCAL)
        sum += sums[n * pc.chunks + k];
#endif
    if (contrast < 4) {
        sum = workgroup_sum(sum);
#if STAGE == BEFORE
        if (lane == 0)
            sums[group] = sum;
#else
        go_on(d, contrast, blur, sum / float(pixel_count));
#endif
    }
#if STAGE == WHOLE
    if (!blur)
        return;
    blur_prepare(d.sigma);
    for (uint p = lane; p < end; p += LOCAL)
        y[base + p] = finished(blurred(int(p / pc.size), int(p % pc.size)), d);
#endif
}
