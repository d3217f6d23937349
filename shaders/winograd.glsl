// winograd.glsl -- the matrices of F(4x4, 3x3) (Lavin and Gray, CVPR 2016; points 0, 1, -1, 2, -2, infinity):
//
//   y = A^T [ (G g G^T) . (B^T d B) ] A        d 6x6 of the image, g the filter, y 4x4 results
//   dg = G^T [ (B^T d B) . (A dy A^T) ] G
//
// The includer defines the type T, a vector of channels.

void apply_bt(in T d[6], out T t[6])
{
    T even = d[4] - 4.0 * d[2], odd = d[3] - 4.0 * d[1];
    T even2 = d[4] - d[2], odd2 = 2.0 * (d[3] - d[1]);
    t[0] = 4.0 * d[0] - 5.0 * d[2] + d[4];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = 4.0 * d[1] - 5.0 * d[3] + d[5];
}

void apply_at(in T m[6], out T y[4])
{
    T sum = m[1] + m[2], diff = m[1] - m[2], sum2 = m[3] + m[4], diff2 = m[3] - m[4];
    y[0] = m[0] + sum + sum2;
    y[1] = diff + 2.0 * diff2;
    y[2] = sum + 4.0 * sum2;
    y[3] = diff + 8.0 * diff2 + m[5];
}

void apply_a(in T d[4], out T t[6])
{
    T even = d[0] + d[2], odd = d[1] + d[3];
    T even2 = d[0] + 4.0 * d[2], odd2 = 2.0 * d[1] + 8.0 * d[3];
    t[0] = d[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = d[3];
}

void apply_g(in T g[3], out T t[6])
{
    T even = (g[0] + g[2]) / -6.0, odd = g[1] / -6.0;
    T even2 = g[0] / 24.0 + g[2] / 6.0, odd2 = g[1] / 12.0;
    t[0] = g[0] / 4.0;
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = g[2];
}

void apply_gt(in T m[6], out T g[3])
{
    T sum = m[1] + m[2], diff = m[1] - m[2], sum2 = m[3] + m[4], diff2 = m[3] - m[4];
    g[0] = m[0] / 4.0 - sum / 6.0 + sum2 / 24.0;
    g[1] = diff2 / 12.0 - diff / 6.0;
    g[2] = (sum2 - sum) / 6.0 + m[5];
}
