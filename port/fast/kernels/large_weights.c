/* Convolutions whose weights are far more than what they read of the image, as fc6's: 411 MB for a
 * few hundred windows. The weights are read once, as they stand, and serve all windows meanwhile.
 *
 * A matrix "in blocks of rows" is laid as products.h reads it: blocks x terms / W x MR x W. One "in
 * panels" is columns / NR x terms x NR. Either is filled up with zeros. What is kept in bfloat16 is
 * pairs of terms, each in the memory of a float, and counted as one term.
 */
#include "products.h"

#define DEPTH 1024                 /* terms that are done for all windows before the next */
#define FEWER 512                  /* outputs, likewise, for the gradient of the windows */
#define SPAN (8 * W)               /* terms of which that gradient is computed at a time */

#ifdef __AVX512BF16__
int takes_pairs(void) { return 1; }
#else
int takes_pairs(void) { return 0; }
#endif
int depth_together(void) { return DEPTH; }
int terms_together(void) { return SPAN; }
int room_for_terms(void) { return FEWER * SPAN; }

typedef struct {
    const float *weight;           /* outputs x terms */
    const float *windows;          /* terms x windows, in panels */
    float *y;                      /* outputs, rounded up to MR, x panels x NR */
    int outputs, terms, panels;
    int pairs;                     /* whether terms are pairs in bfloat16 */
} LargeWeights;

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

INLINE void sums_of_windows(const LargeWeights *a, size first, size last, float *room, int pairs)
{
    size wide = (size)a->panels * NR;
    for (int from = 0; from < a->terms; from += DEPTH) {
        int depth = a->terms - from < DEPTH ? a->terms - from : DEPTH;
        for (size output = first; output < last; output += MR) {
            lay_rows(a, output, from, depth, room);
            for (int p = 0; p < a->panels; p++) {
                const float *panel = a->windows + ((size)p * a->terms + from) * NR;
                part_of_block(MR, 2, pairs, room, panel, depth, a->y + output * wide + p * NR,
                              wide, panel, from > 0);
            }
        }
    }
}

/* The outputs first..last, first a multiple of MR. room: MR DEPTH floats. */
void large_weights(const LargeWeights *a, size first, size last, float *room, void *sums)
{
    if (a->pairs)
        sums_of_windows(a, first, last, room, 1);
    else
        sums_of_windows(a, first, last, room, 0);
}

typedef struct {
    const float *weight;           /* outputs x terms */
    const float *gradient;         /* windows x outputs, in blocks of rows */
    float *windows;                /* blocks MR x terms */
    int outputs, terms, blocks;
} WindowsGradient;

/* Lay some terms of some outputs' weights as panels. */
static void lay_panels(const WindowsGradient *a, int from, int depth, size term, float *to)
{
    for (int k = 0; k < depth; k++) {
        const float *row = a->weight + (from + k) * (size)a->terms + term;
        for (int t = 0; t < SPAN; t += NR, row += NR) {
            float *place = to + t * (size)depth + k * NR;
            store(place, load(row));
            store(place + W, load(row + W));
        }
    }
}

/* The gradient of the terms first..last of all windows, both multiples of SPAN: gradient weight.
 * room: FEWER SPAN floats.
 */
void windows_gradient(const WindowsGradient *a, size first, size last, float *room, void *sums)
{
    for (size term = first; term < last; term += SPAN)
        for (int from = 0; from < a->outputs; from += FEWER) {
            int depth = a->outputs - from < FEWER ? a->outputs - from : FEWER;
            lay_panels(a, from, depth, term, room);
            for (int b = 0; b < a->blocks; b++) {
                const float *rows = a->gradient + ((size)b * a->outputs + from) * MR;
                float *to = a->windows + (size)b * MR * a->terms + term;
                for (int t = 0; t < SPAN; t += NR)
                    block(MR, rows, room + t * (size)depth, depth, to + t, a->terms, rows,
                          from > 0);
            }
        }
}

typedef struct {
    const float *gradient;         /* outputs x windows, in blocks of rows */
    const float *windows;          /* windows x terms, in panels */
    float *weight;                 /* outputs of these blocks, x terms */
    int blocks, count, terms;      /* count: of windows, a multiple of W */
} WeightsGradient;

/* The gradient of the weights of some outputs, and of their terms first..last, both multiples of
 * NR: gradient windows.
 */
void weights_gradient(const WeightsGradient *a, size first, size last, float *room, void *sums)
{
    for (size term = first; term < last; term += NR) {
        const float *panel = a->windows + term * a->count;
        for (int b = 0; b < a->blocks; b++)
            block(MR, a->gradient + (size)b * MR * a->count, panel, a->count,
                  a->weight + (size)b * MR * a->terms + term, a->terms,
                  panel + (size)NR * a->count * (a->blocks + b) / a->blocks, 0);
    }
}
