// probe_subgroup -- how many invocations a subgroup really has, and what a shuffle gives: for `vkdiv selftest`.
#version 450
//: axis ballot:SHUFFLE=0 shuffle:SHUFFLE=1
#extension GL_KHR_shader_subgroup_basic : require
#if SHUFFLE
#extension GL_KHR_shader_subgroup_shuffle : require
#else
#extension GL_KHR_shader_subgroup_ballot : require
#endif
layout(local_size_x = 128) in;
layout(binding = 0) writeonly restrict buffer Y { uvec4 y[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
#if SHUFFLE
    // Another lane's index, by way of a float as the products' operands are.
    uint from = (gl_SubgroupInvocationID * 5 + 3) % gl_SubgroupSize;
    uint got = uint(subgroupShuffle(float(i), from));
#else
    uint got = subgroupBallotBitCount(subgroupBallot(true));
#endif
    y[i] = uvec4(got, gl_SubgroupSize, gl_SubgroupInvocationID, gl_SubgroupID);
}
