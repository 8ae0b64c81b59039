/* What follows a convolution in an encoder or decoder: batch normalisation with scale, shift and
 * ReLU, forward and backward, each in one pass over the memory; 2 x 2 maxima with their places,
 * and values put back there. Pixels first..last, each of `c` channels next to each other, c a
 * multiple of W.
 */
#include "vector.h"

#define RUN 64                     /* pixels summed in single precision */

static inline vec positive(vec a) { return (vec)((mask)a & (a > 0)); }
static inline vec where(mask m, vec a) { return (vec)(m & (mask)a); }

static inline void add(double *to, vec v)
{
    UNROLL
    for (int l = 0; l < W; l++)
        to[l] += v[l];
}

/* sums[0..c) += z - centre, sums[c..2c) += (z - centre)^2 */
void moments(const float *z, const float *centre, int c, size first, size last, double *sums)
{
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec s = {0}, q = {0}, middle = load(centre + b);
            for (size i = start; i < stop; i++) {
                vec v = load(z + i * c + b) - middle;
                s += v;
                q += v * v;
            }
            add(sums + b, s);
            add(sums + c + b, q);
        }
    }
}

/* y = scale z + shift, then its positive part if relu. */
void affine(const float *z, const float *scale, const float *shift, int relu, int c, size first,
            size last, float *y)
{
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec a = load(scale + b), h = load(shift + b);
            for (size i = start; i < stop; i++) {
                vec v = a * load(z + i * c + b) + h;
                store(y + i * c + b, relu ? positive(v) : v);
            }
        }
    }
}

/* With g = dy where scale z + shift > 0 (everywhere without relu):
 * sums[0..c) += g, sums[c..2c) += g (z - mean).
 */
void gradient_sums(const float *dy, const float *z, const float *scale, const float *shift,
                   const float *mean, int relu, int c, size first, size last, double *sums)
{
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec s = {0}, q = {0}, a = load(scale + b), h = load(shift + b), m = load(mean + b);
            for (size i = start; i < stop; i++) {
                vec v = load(z + i * c + b), g = load(dy + i * c + b);
                if (relu)
                    g = where(a * v + h > 0, g);
                s += g;
                q += g * (v - m);
            }
            add(sums + b, s);
            add(sums + c + b, q);
        }
    }
}

/* dz = p g + q z + r */
void gradient(const float *dy, const float *z, const float *scale, const float *shift, int relu,
              const float *p, const float *q, const float *r, int c, size first, size last,
              float *dz)
{
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec a = load(scale + b), h = load(shift + b);
            vec pp = load(p + b), qq = load(q + b), rr = load(r + b);
            for (size i = start; i < stop; i++) {
                vec v = load(z + i * c + b), g = load(dy + i * c + b);
                if (relu)
                    g = where(a * v + h > 0, g);
                store(dz + i * c + b, pp * g + qq * v + rr);
            }
        }
    }
}

/* Rows first..last (of all images) of the 2 x 2 maxima of x, the last window cut at an odd edge;
 * places: row * width + column of the first maximum, as a number.
 */
void maxima(const Plane *x, size first, size last, float *y, float *places)
{
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

/* Write x, zero but at the places of 2 x 2 windows; rows first..last of the values. */
void put_back(const float *values, const float *places, size first, size last, const Plane *x)
{
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

/* The values of x at the places, the opposite of put_back. */
void take_out(const Plane *x, const float *places, size first, size last, float *values)
{
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
