// draw -- the applications' own picture: on a noisy, tinted ground one shape of four (disc, ring, level bars, upright bars).
//
// A pixel is (r, g, b, 0) in about -1 ... 1: what a network takes, NHWC, the fourth lane being padding.
#version 450
layout(local_size_x = 8, local_size_y = 8) in;
layout(push_constant) uniform picture { uint count, size, seed; float phase, turned; };
layout(binding = 0) writeonly buffer Images { vec4 images[]; };
layout(binding = 1) writeonly buffer Labels { uint labels[]; };

uint mix_bits(uint x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

float unit(uint key)        // [0, 1)
{
    return float(mix_bits(key) >> 8) / 16777216.0;
}

// How far p is inside of the shape of radius r; below 0: outside.
float inside(uint shape, vec2 p, float r)
{
    if (shape == 0u)
        return r - length(p);
    if (shape == 1u)
        return 0.25 * r - abs(length(p) - 0.75 * r);
    float across = shape == 2u ? p.y : p.x;
    return min(r - max(abs(p.x), abs(p.y)), abs(fract(across / (0.8 * r)) - 0.5) * 0.8 * r - 0.2 * r);
}

void main()
{
    uvec3 at = gl_GlobalInvocationID;
    if (at.x >= size || at.y >= size)
        return;
    uint key = mix_bits(seed ^ mix_bits(at.z + 1u)), shape = mix_bits(key) % 4u;
    vec2 p = (vec2(at.xy) + 0.5) / float(size) * 2.0 - 1.0;
    vec2 center = 0.25 * vec2(unit(key + 1u), unit(key + 2u)) * vec2(cos(phase), sin(phase));
    float radius = 0.55 + 0.25 * unit(key + 3u), turn = turned + 0.6 * unit(key + 4u) - 0.3;
    vec2 q = mat2(cos(turn), sin(turn), -sin(turn), cos(turn)) * (p - center);
    vec3 ground = vec3(unit(key + 5u), unit(key + 6u), unit(key + 7u)) - 0.5;
    vec3 ink = ground + (unit(key + 8u) < 0.5 ? -1.0 : 1.0) * vec3(0.5 + 0.5 * unit(key + 9u));
    float noise = 0.3 * (unit(mix_bits(key + at.x) ^ mix_bits(at.y)) - 0.5);
    float cover = clamp(0.5 + inside(shape, q, radius) * 0.5 * float(size), 0.0, 1.0);
    images[(at.z * size + at.y) * size + at.x] = vec4(mix(ground, ink, cover) + noise, 0.0);
    if (at.x == 0u && at.y == 0u)
        labels[at.z] = shape;
}
