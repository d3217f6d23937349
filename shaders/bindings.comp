// bindings -- z = scale * z + x + y, w = i: every kind of binding once, for tests of the runtime.
#version 450
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint TILE = 4;
layout(push_constant) uniform block { uint count; float scale; };
layout(binding = 0) readonly buffer X { vec4 x[]; };
layout(binding = 1) uniform samplerBuffer y;
layout(binding = 2) buffer Z { vec4 z[]; };
layout(binding = 3) writeonly buffer W { uint w[]; };
shared float tile[TILE];

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (gl_LocalInvocationID.x < TILE)
        tile[gl_LocalInvocationID.x] = scale;
    barrier();
    if (i < count) {
        z[i] = tile[i % TILE] * z[i] + x[i] + texelFetch(y, int(i));
        w[i] = i;
    }
}
