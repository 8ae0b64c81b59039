/* One step of Caffe's SGDSolver in one pass over the memory. */
#include <stddef.h>

typedef struct {
    float *weight, *velocity;
    const float *gradient;
    float momentum, rate, decay;
} Sgd;

/* v = momentum v + rate (g + decay w), w = w - v, for the values first..last. */
void sgd(const Sgd *a, ptrdiff_t first, ptrdiff_t last, void *room, void *sums)
{
    float *w = a->weight, *v = a->velocity;
    const float *g = a->gradient;
    for (ptrdiff_t i = first; i < last; i++) {
        v[i] = a->momentum * v[i] + a->rate * (g[i] + a->decay * w[i]);
        w[i] -= v[i];
    }
}
