// augment_resize.glsl -- values of a resized part of an RGBA8 image.
//
// The filters are antialiased and aligned as in PIL and torchvision: output pixel o of a resize from
// `in` to `out` weighs input pixel x by f(|x + 1/2 - (o + 1/2) in / out| / max(in / out, 1)), where f is
// the triangle 1 - t, or the cubic convolution with a = -1/2 that ends at t = 2, bounded to 0 ... 255. Here
// distances are times 2 max(in, out), which makes integers of them.
layout(constant_id = 0) const uint FILTER = VKD_FILTER_BILINEAR;
layout(binding = 1) readonly restrict buffer Pixels { uint pixels[]; };         // RGBA8

const uint TAPS_MAX = 64;       // per axis; of a longer filter every k-th tap is taken

struct taps { uint first, end, stride; int centre, unit; };     // unit: a distance of 1 in f's argument

taps taps_of(uint o, uint from, uint to)
{
    int centre = int((2 * o + 1) * from), unit = int(2 * max(from, to));
    int reach = FILTER == VKD_FILTER_BICUBIC ? 2 * unit : unit, start = centre - reach + int(to);
    uint first = start > 0 ? uint(start) / (2 * to) : 0, end = min(uint(centre + reach + int(to)) / (2 * to), from);
    return taps(first, end, (end - first + TAPS_MAX - 1) / TAPS_MAX, centre, unit);
}

float weight(taps t, uint i, uint to)
{
    int far = abs(int((2 * i + 1) * to) - t.centre);
    if (FILTER == VKD_FILTER_BILINEAR)
        return float(max(t.unit - far, 0));
    float x = float(far) / float(t.unit);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

vec3 pixel(uint at)
{
    uint p = pixels[at];
    return vec3(p & 255u, p >> 8 & 255u, p >> 16 & 255u);
}

// Value of the resized image at (row, col).
vec3 resized(vkd_view v, uint ofs, uint width, uint row, uint col)
{
    if (v.w == v.rw && v.h == v.rh)
        return pixel(ofs + (v.y + row) * width + v.x + col);
    taps rows = taps_of(row, v.h, v.rh), cols = taps_of(col, v.w, v.rw);
    vec3 sum = vec3(0);
    float row_weights = 0, col_weights = 0;
    for (uint j = cols.first; j < cols.end; j += cols.stride)
        col_weights += weight(cols, j, v.rw);
    for (uint i = rows.first; i < rows.end; i += rows.stride) {
        float w = weight(rows, i, v.rh);
        uint at = ofs + (v.y + i) * width + v.x;
        vec3 line = vec3(0);
        for (uint j = cols.first; j < cols.end; j += cols.stride)
            line += weight(cols, j, v.rw) * pixel(at + j);
        sum += w * (line / col_weights);
        row_weights += w;
    }
    sum /= row_weights;
    return FILTER == VKD_FILTER_BICUBIC ? clamp(sum, 0, 255) : sum;
}

// Value of the output at (row, col), 0 outside of the image.
vec3 viewed(vkd_view v, uint ofs, uint width, uint size, uint row, uint col)
{
    int from_row = int(row) + v.top, from_col = int(v.flip == 1u ? size - 1 - col : col) + v.left;
    if (from_row < 0 || from_row >= int(v.rh) || from_col < 0 || from_col >= int(v.rw))
        return vec3(0);
    return resized(v, ofs, width, uint(from_row), uint(from_col));
}
