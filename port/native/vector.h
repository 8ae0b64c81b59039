/* Vectors of as many floats as the processor takes at a time, and how many of them it keeps in
 * registers. For one source file of a library: it defines vector_width, by which Python asks.
 */
#include <stddef.h>

#if defined(__AVX512F__)
#define W 16                       /* floats a vector */
#define REGISTERS 32
#elif defined(__AVX__)
#define W 8
#define REGISTERS 16
#elif defined(__aarch64__)
#define W 4
#define REGISTERS 32
#else
#define W 4
#define REGISTERS 16
#endif
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef ptrdiff_t size;

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

int vector_width(void) { return W; }
