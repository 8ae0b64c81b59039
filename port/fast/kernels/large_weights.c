/* A convolution whose weights are far more than what it reads of the image, as fc6's: 411 MB for a
 * few hundred windows. The weights are read once, as they stand, and serve all windows meanwhile.
 */
#include "products.h"

#define DEPTH 1024                  /* terms that are done for all windows before the next */

typedef struct {
    const float *weight;           /* outputs x terms */
    const float *windows;          /* panels x terms x NR: NR windows of each panel */
    float *y;                      /* outputs, rounded up to MR, x panels x NR */
    int outputs, terms, panels;
} LargeWeights;

int depth_together(void) { return DEPTH; }

/* Lay some terms of MR outputs as rows of a block; have the cache fetch those of the next ones. */
static void lay_rows(const LargeWeights *a, size output, int from, int depth, float *to)
{
    for (int r = 0; r < MR; r++) {
        const float *row = a->weight + (output + r) * (size)a->terms + from;
        const float *next = row + MR * (size)a->terms;
        int there = output + r < a->outputs, more = output + MR + r < a->outputs;
        for (int k = 0; k < depth; k += W) {
            store(to + k * MR + r * W, there ? load(row + k) : (vec){0});
            if (more)
                __builtin_prefetch(next + k, 0, 2);
        }
    }
}

/* The outputs first..last, first a multiple of MR. room: MR DEPTH floats. */
void large_weights(const LargeWeights *a, size first, size last, float *room, void *sums)
{
    size wide = (size)a->panels * NR;
    for (int from = 0; from < a->terms; from += DEPTH) {
        int depth = a->terms - from < DEPTH ? a->terms - from : DEPTH;
        for (size output = first; output < last; output += MR) {
            lay_rows(a, output, from, depth, room);
            for (int p = 0; p < a->panels; p++) {
                const float *panel = a->windows + ((size)p * a->terms + from) * NR;
                block(MR, room, panel, depth, a->y + output * wide + p * NR, wide, panel,
                      from > 0);
            }
        }
    }
}
