/* Batch normalisation with scale, shift and ReLU, forward and backward, each in one pass over the
 * memory. The work is on rows first..last, each of `width` numbers, a multiple of W: one pixel's
 * channels, or those of as many pixels as fill whole vectors.
 */
#include "vector.h"

#define RUN 64                     /* pixels summed in single precision */

typedef struct {
    const float *z, *dy;           /* the convolution's output; the gradient of what follows */
    float *out;                    /* what is written: y forward, dz backward */
    const float *centre;           /* near the mean; moments are taken around it */
    const float *scale, *shift, *mean;         /* as many numbers as a row each */
    const float *p, *q, *r;
    int relu, width;
} Norm;

static inline vec positive(vec a) { return (vec)((mask)a & (a > 0)); }
static inline vec where(mask m, vec a) { return (vec)(m & (mask)a); }

static inline void add(double *to, vec v)
{
    UNROLL
    for (int l = 0; l < W; l++)
        to[l] += v[l];
}

/* sums[0..c) += z - centre, sums[c..2c) += (z - centre)^2 */
void moments(const Norm *a, size first, size last, void *room, double *sums)
{
    const float *z = a->z, *centre = a->centre;
    int c = a->width;
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
void affine(const Norm *a, size first, size last, void *room, void *sums)
{
    const float *z = a->z, *scale = a->scale, *shift = a->shift;
    float *y = a->out;
    int relu = a->relu, c = a->width;
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec k = load(scale + b), h = load(shift + b);
            for (size i = start; i < stop; i++) {
                vec v = k * load(z + i * c + b) + h;
                store(y + i * c + b, relu ? positive(v) : v);
            }
        }
    }
}

/* With g = dy where scale z + shift > 0 (everywhere without relu):
 * sums[0..c) += g, sums[c..2c) += g (z - mean).
 */
void gradient_sums(const Norm *a, size first, size last, void *room, double *sums)
{
    const float *dy = a->dy, *z = a->z, *scale = a->scale, *shift = a->shift, *mean = a->mean;
    int relu = a->relu, c = a->width;
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec s = {0}, q = {0}, k = load(scale + b), h = load(shift + b), m = load(mean + b);
            for (size i = start; i < stop; i++) {
                vec v = load(z + i * c + b), g = load(dy + i * c + b);
                if (relu)
                    g = where(k * v + h > 0, g);
                s += g;
                q += g * (v - m);
            }
            add(sums + b, s);
            add(sums + c + b, q);
        }
    }
}

/* dz = p g + q z + r */
void gradient(const Norm *a, size first, size last, void *room, void *sums)
{
    const float *dy = a->dy, *z = a->z, *scale = a->scale, *shift = a->shift;
    const float *p = a->p, *q = a->q, *r = a->r;
    float *dz = a->out;
    int relu = a->relu, c = a->width;
    for (size start = first; start < last; start += RUN) {
        size stop = start + RUN < last ? start + RUN : last;
        for (int b = 0; b < c; b += W) {
            vec k = load(scale + b), h = load(shift + b);
            vec pp = load(p + b), qq = load(q + b), rr = load(r + b);
            for (size i = start; i < stop; i++) {
                vec v = load(z + i * c + b), g = load(dy + i * c + b);
                if (relu)
                    g = where(k * v + h > 0, g);
                store(dz + i * c + b, pp * g + qq * v + rr);
            }
        }
    }
}
