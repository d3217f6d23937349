// probe_subgroup -- how many invocations a subgroup really has, and what a shuffle gives: for `vkdiv selftest`.
#version 450
//: axis ballot:BALLOT=1 shuffle:NUMBER=float shuffle_half:NUMBER=float16_t,HALF=1
#extension GL_KHR_shader_subgroup_basic : require
#ifdef BALLOT
#extension GL_KHR_shader_subgroup_ballot : require
#else
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#ifdef HALF
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_shader_subgroup_extended_types_float16 : require
#endif
layout(local_size_x = 128) in;
layout(binding = 0) writeonly restrict buffer Y { uvec4 y[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
#ifdef BALLOT
    uint got = subgroupBallotBitCount(subgroupBallot(true));
#else
    // Another lane's index, by way of a float as the products' operands are. 2048 is the first that a half cannot tell.
    uint from = (gl_SubgroupInvocationID * 5 + 3) % gl_SubgroupSize;
    uint got = uint(subgroupShuffle(NUMBER(float(i)), from));
#endif
    y[i] = uvec4(got, gl_SubgroupSize, gl_SubgroupInvocationID, gl_SubgroupID);
}
