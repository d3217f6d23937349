// augment_photo.glsl -- operations on colours, as torchvision's on float tensors. Values are 0 ... 255, of
// CHANNELS 1 in x alone; they are never rounded to integers.
#include "augment_drawn.h"
#include "pc_augment.h"

layout(constant_id = 1) const uint CHANNELS = 3;
const uint LOCAL = 128, PIXELS = 8 * LOCAL;     // a workgroup's pixels
const uint HALF_MAX = 127;                      // of the blur

layout(push_constant) uniform block { vkd_pc_augment_photo pc; };

bool has(vkd_augment_drawn d, uint op) { return (d.ops >> op & 1u) == 1u; }

// ITU-R 601 luma with torchvision's digits.
float gray_of(vec3 c) { return CHANNELS == 1 ? c.x : 0.2989 * c.x + 0.587 * c.y + 0.114 * c.z; }

vec3 blend(vec3 c, float with, float share) { return clamp(share * c + (1 - share) * with, 0, 255); }

// Turns the hue by `turn` of a circle, at the saturation and value of HSV.
vec3 turn_hue(vec3 c, float turn)
{
    float most = max(max(c.x, c.y), c.z), range = most - min(min(c.x, c.y), c.z);
    if (!(range > 0))
        return c;
    vec3 below = (most - c) / range;
    float sixths = c.x == most ? below.z - below.y : c.y == most ? 2 + below.x - below.z : 4 + below.y - below.x;
    vec3 k = mod(vec3(5, 3, 1) + sixths + 6 * turn, 6);
    return most - range * clamp(min(k, 4 - k), 0, 1);
}

// Steps first ... end-1 of the jitter; `mean` is that of the gray image where one of them is the contrast.
vec3 jitter(vec3 c, vkd_augment_drawn d, uint first, uint end, float mean)
{
    for (uint k = first; k < end; k++) {
        uint op = d.order >> 4 * k & 15u;
        if (!has(d, op))
            continue;
        if (op == VKD_OP_BRIGHTNESS)
            c = blend(c, 0, d.factor[VKD_OP_BRIGHTNESS]);
        else if (op == VKD_OP_CONTRAST)
            c = blend(c, mean, d.factor[VKD_OP_CONTRAST]);
        else if (CHANNELS == 3)
            c = op == VKD_OP_SATURATION ? blend(c, gray_of(c), d.factor[VKD_OP_SATURATION])
                                        : turn_hue(c, d.factor[VKD_OP_HUE]);
    }
    return c;
}

// The step that is the contrast, 4 without one.
uint contrast_step(vkd_augment_drawn d)
{
    uint step = 0;
    while (step < 4 && !((d.order >> 4 * step & 15u) == VKD_OP_CONTRAST && has(d, VKD_OP_CONTRAST)))
        step++;
    return step;
}

vec3 grayed(vec3 c, vkd_augment_drawn d) { return has(d, VKD_OP_GRAY) && CHANNELS == 3 ? vec3(gray_of(c)) : c; }

// The last steps: solarize with torchvision's threshold, normalise, one rounding each.
vec4 finished(vec3 c, vkd_augment_drawn d)
{
    precise vec4 value = vec4(0);
    if (has(d, VKD_OP_SOLARIZE))
        c = mix(c, 255 - c, greaterThanEqual(c, vec3(128)));
    value.x = c.x * pc.gain[0] + pc.bias[0];
    if (CHANNELS == 3) {
        value.y = c.y * pc.gain[1] + pc.bias[1];
        value.z = c.z * pc.gain[2] + pc.bias[2];
    }
    return value;
}

// ---- Sums and weights that a workgroup shares ----

shared float lanes[LOCAL], sixteenths[16];
shared float blur_weights[HALF_MAX + 1];        // by distance, in the first blur_half + 1

// The sum over the workgroup, in a fixed order.
float workgroup_sum(float v)
{
    uint lane = gl_LocalInvocationID.x;
    lanes[lane] = v;
    barrier();
    float sum = 0;
    if (lane < 16) {
        for (uint k = lane; k < LOCAL; k += 16)
            sum += lanes[k];
        sixteenths[lane] = sum;
    }
    barrier();
    sum = 0;
    for (uint k = 0; k < 16; k++)
        sum += sixteenths[k];
    return sum;
}

// Weights of the blur: exp(-i^2 / 2 sigma^2) up to blur_half pixels on each side.
void blur_prepare(float sigma)
{
    for (uint i = gl_LocalInvocationID.x; i <= pc.blur_half; i += LOCAL) {
        float x = float(i) / sigma;
        blur_weights[i] = exp(max(-0.5 * x * x, -80));
    }
    barrier();
}

float blur_total()
{
    float sum = 0;
    for (uint i = 1; i <= pc.blur_half; i++)
        sum += blur_weights[i];
    return blur_weights[0] + 2 * sum;
}

// Borders reflect: ... 2 1 | 0 1 2 ...
uint reflected(int i)
{
    int last = int(pc.size) - 1;
    return uint(i < 0 ? -i : i > last ? 2 * last - i : i);
}
