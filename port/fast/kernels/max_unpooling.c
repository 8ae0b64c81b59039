/* 2 x 2 maxima with their places, and values put back there (SegNet's Pooling with a mask, and its
 * Upsample). Lines first..last are rows of the smaller images, of all in the batch.
 */
#include "plane.h"

static inline vec where(mask m, vec a) { return (vec)(m & (mask)a); }

typedef struct {
    Plane large;                   /* channels a multiple of W */
    float *small, *places;         /* places: row * width + column in the large image */
} Unpooling;

/* The 2 x 2 maxima of the large image, the last window cut at an odd edge, and where the first of
 * each stands.
 */
void maxima(const Unpooling *a, size first, size last, void *room, void *sums)
{
    const Plane *x = &a->large;
    float *y = a->small, *places = a->places;
    int c = x->channels, wide = (x->width + 1) / 2, high = (x->height + 1) / 2;
    for (size line = first; line < last; line++) {
        int row = 2 * (int)(line % high);
        const float *image = x->data + line / high * x->image;
        for (int j = 0; j < wide; j++)
            for (int b = 0; b < c; b += W) {
                vec best = {0}, at = {0};
                for (int k = 0; k < 4; k++) {
                    int i = row + k / 2, column = 2 * j + k % 2;
                    if (i >= x->height || column >= x->width)
                        continue;
                    vec v = load(image + i * x->row + (size)column * c + b);
                    vec here = (vec){0} + (float)(i * x->width + column);
                    mask more = v > best;
                    best = k ? (vec)((more & (mask)v) | (~more & (mask)best)) : v;
                    at = k ? (vec)((more & (mask)here) | (~more & (mask)at)) : here;
                }
                size to = (line * wide + j) * c + b;
                store(y + to, best);
                store(places + to, at);
            }
    }
}

/* Write the large image: the small one's values at their places, zero elsewhere. */
void put_back(const Unpooling *a, size first, size last, void *room, void *sums)
{
    const Plane *x = &a->large;
    const float *values = a->small, *places = a->places;
    int c = x->channels, wide = (x->width + 1) / 2, high = (x->height + 1) / 2;
    for (size line = first; line < last; line++) {
        int row = 2 * (int)(line % high);
        float *image = x->data + line / high * x->image;
        for (int k = 0; k < 4; k++) {
            int i = row + k / 2;
            for (int j = 0; i < x->height && j < wide; j++) {
                int column = 2 * j + k % 2;
                for (int b = 0; column < x->width && b < c; b += W) {
                    size from = (line * wide + j) * c + b;
                    mask here = load(places + from) == (float)(i * x->width + column);
                    store(image + i * x->row + (size)column * c + b,
                          where(here, load(values + from)));
                }
            }
        }
    }
}

/* Write the small image: the large one's values at the places, the opposite of put_back. */
void take_out(const Unpooling *a, size first, size last, void *room, void *sums)
{
    const Plane *x = &a->large;
    const float *places = a->places;
    float *values = a->small;
    int c = x->channels, wide = (x->width + 1) / 2, high = (x->height + 1) / 2;
    for (size line = first; line < last; line++) {
        int row = 2 * (int)(line % high);
        const float *image = x->data + line / high * x->image;
        for (int j = 0; j < wide; j++)
            for (int b = 0; b < c; b += W) {
                size to = (line * wide + j) * c + b;
                vec found = {0}, at = load(places + to);
                for (int k = 0; k < 4; k++) {
                    int i = row + k / 2, column = 2 * j + k % 2;
                    if (i >= x->height || column >= x->width)
                        continue;
                    mask here = at == (float)(i * x->width + column);
                    found += where(here, load(image + i * x->row + (size)column * c + b));
                }
                store(values + to, found);
            }
    }
}
