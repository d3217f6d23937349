// probe_shared -- shared memory filled by one invocation and read by another, workgroups and memory of any size: for
// `vkdiv selftest`. y[g n + l] = the sum over k = l, l + n, ... of (31 (SIZE - 1 - k) + g) (k + 1).
#version 450
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SIZE = 64;
layout(binding = 0) writeonly restrict buffer Y { uint y[]; };
shared uint tile[SIZE];

void main()
{
    uint l = gl_LocalInvocationID.x, n = gl_WorkGroupSize.x, sum = 0;
    for (uint k = l; k < SIZE; k += n)
        tile[k] = 31 * k + gl_WorkGroupID.x;
    barrier();
    for (uint k = l; k < SIZE; k += n)
        sum += tile[SIZE - 1 - k] * (k + 1);
    y[gl_GlobalInvocationID.x] = sum;
}
