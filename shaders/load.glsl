// load.glsl -- vec4s read from storage buffers or, with TEXEL, through texel views: CPU drivers load through those at
// a third of the cost. A kernel that includes this has the variants
//
//   axis buffer:TEXEL=0 texel:TEXEL=1
//
// and vkd__loads_texels chooses. SOURCE declares a binding, LOAD reads vec4 number i of it.
#if TEXEL
#define SOURCE(qualifiers, number, name) layout(binding = number) uniform samplerBuffer name
#define LOAD(name, i) texelFetch(name, int(i))
#else
#define SOURCE(qualifiers, number, name) layout(binding = number) qualifiers buffer name##_ { vec4 name[]; }
#define LOAD(name, i) name[i]
#endif
