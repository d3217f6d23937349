// fill_index -- y[i] = i: the smallest kernel, for tests of the runtime.
#version 450
layout(local_size_x = 64) in;
layout(push_constant) uniform block { uint count; };
layout(binding = 0) writeonly buffer Y { uint y[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < count)
        y[i] = i;
}
