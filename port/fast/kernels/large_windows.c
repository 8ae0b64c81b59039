/* What the windows of a large kernel read, laid as large_weights.c reads it, and the way back.
 * A term of a window is a channel, a row and a column of the kernel, in the order of the weights.
 * Windows are at every position; the image has its padding.
 */
#include "products.h"
#include <string.h>

typedef struct {
    Plane x;
    float *windows;
    int kernel_h, kernel_w, high, wide;      /* high x wide windows an image */
    size down, across;                       /* from one of a window's values to the next, in floats */
    int count, places, terms;                /* windows of all images; rounded up to whole vectors */
    int pairs;                               /* whether terms are laid as pairs in bfloat16 */
} LargeWindows;

/* The first value that a window reads. */
static inline float *corner(const LargeWindows *a, size window)
{
    size plane = (size)a->high * a->wide, image = window / plane, rest = window % plane;
    return a->x.data + image * a->x.image + rest / a->wide * a->x.row
        + rest % a->wide * a->x.channels;
}

/* Write the term of NR windows at `at` of each; of pairs the upper half of its floats, which is all
 * that numbers in bfloat16 have. Return where the next term goes.
 */
static inline float *lay_term(const LargeWindows *a, const float *const *from, int there, size at,
                              int term, float *to)
{
    if (!a->pairs) {
        for (int l = 0; l < NR; l++)
            to[l] = l < there ? from[l][at] : 0;
        return to + NR;
    }
    unsigned short *half = (unsigned short *)to + term % 2;
    for (int l = 0; l < NR; l++) {
        unsigned bits = 0;
        if (l < there)
            memcpy(&bits, from[l] + at, sizeof bits);
        half[2 * l] = bits >> 16;
    }
    return to + term % 2 * NR;
}

/* Windows in panels, first..last of them: windows / NR x terms x NR. */
void panels_of_windows(const LargeWindows *a, size first, size last, float *room, void *sums)
{
    for (size p = first; p < last; p++) {
        const float *from[NR];
        float *to = a->windows + p * (a->terms >> a->pairs) * NR;
        int term = 0;
        int there = a->count - p * NR < NR ? (int)(a->count - p * NR) : NR;
        for (int l = 0; l < NR; l++)
            from[l] = corner(a, l < there ? p * NR + l : 0);
        for (int c = 0; c < a->x.channels; c++)
            for (int i = 0; i < a->kernel_h; i++)
                for (int j = 0; j < a->kernel_w; j++, term++)
                    to = lay_term(a, from, there, i * a->down + j * a->across + c, term, to);
    }
}

/* Terms in panels, those of the windows first..last: terms / NR x windows x NR. */
void panels_of_terms(const LargeWindows *a, size first, size last, float *room, void *sums)
{
    for (size w = first; w < last; w++) {
        const float *from = corner(a, w < a->count ? w : 0);
        float *to = a->windows + w * NR;
        int term = 0;
        for (int c = 0; c < a->x.channels; c++)
            for (int i = 0; i < a->kernel_h; i++)
                for (int j = 0; j < a->kernel_w; j++, term++) {
                    size panel = term / NR * (size)a->places * NR;
                    to[panel + term % NR] = w < a->count
                        ? from[i * a->down + j * a->across + c] : 0;
                }
    }
}

/* Add up the gradients of windows x terms into those of the channels first..last of the image. */
void put_windows_together(const LargeWindows *a, size first, size last, float *room, void *sums)
{
    int kernel = a->kernel_h * a->kernel_w;
    for (int w = 0; w < a->count; w++) {
        const float *from = a->windows + (size)w * a->terms;
        float *to = corner(a, w);
        for (size c = first; c < last; c++)
            for (int i = 0; i < a->kernel_h; i++)
                for (int j = 0; j < a->kernel_w; j++)
                    to[i * a->down + j * a->across + c]
                        += from[c * kernel + i * a->kernel_w + j];
    }
}
