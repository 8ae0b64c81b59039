/* Batch normalisation with scale, shift and ReLU: forward and backward two passes over the memory
 * each, and between them a few numbers for each channel. The passes' work is on rows first..last,
 * each of `width` numbers, a multiple of W: one pixel's channels, or those of as many pixels as fill
 * whole vectors.
 */
#include "vector.h"
#include <math.h>

#define RUN 64                     /* pixels summed in single precision */

typedef struct {
    const float *z, *dy;           /* the convolution's output; the gradient of what follows */
    float *out;                    /* what is written: y forward, dz backward */
    const float *centre;           /* near the mean; moments are taken around it */
    const float *rows, *pqr;       /* scale, shift, mean; p, q, r: as many numbers as a row each */
    int relu, width;
} Norm;

typedef struct {
    const double *sums;            /* of each piece of a pass: two for each number of a row */
    const float *centre;           /* around which moments were taken */
    const float *gamma, *beta;     /* of the Scale; null for 1 and 0 */
    double *normal;                /* mean, rate, scale and shift of each channel */
    float *rows;                   /* as many numbers as a row each: scale, shift, mean; p, q, r */
    float *mean, *variance, *weight;           /* that BatchNorm keeps for its tests */
    float *gamma_diff, *beta_diff;
    double eps;
    float fraction;                /* what is left of those that BatchNorm kept before */
    int pieces, width, channels;
    size pixels;
} Channels;

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

/* A channel's first or second sum over all pieces and pixels. */
static double summed(const Channels *a, int which, int channel)
{
    double total = 0;
    for (int piece = 0; piece < a->pieces; piece++)
        for (int i = channel; i < a->width; i += a->channels)
            total += a->sums[(2 * piece + which) * (size)a->width + i];
    return total;
}

static void repeat(const Channels *a, int row, int channel, double value)
{
    for (int i = channel; i < a->width; i += a->channels)
        a->rows[row * (size)a->width + i] = value;
}

/* What normalises each channel, from the sums of `moments`; count it into what BatchNorm keeps:
 * its variance is n / (n - 1) times that of the n pixels.
 */
void settle_moments(const Channels *a, size first, size last, void *room, void *sums)
{
    double n = a->pixels, *normal = a->normal;
    for (size c = first; c < last; c++) {
        double off = summed(a, 0, c) / n, mean = off + a->centre[c];
        double variance = summed(a, 1, c) / n - off * off;
        variance = variance < 0 ? 0 : variance;
        double rate = 1 / sqrt(variance + a->eps), scale = (a->gamma ? a->gamma[c] : 1) * rate;
        double shift = (a->beta ? a->beta[c] : 0) - scale * mean;
        double found[] = {mean, rate, scale, shift};
        for (int i = 0; i < 4; i++)
            normal[i * (size)a->channels + c] = found[i];
        repeat(a, 0, c, scale);
        repeat(a, 1, c, shift);
        repeat(a, 2, c, mean);
        a->mean[c] = a->mean[c] * a->fraction + mean;
        a->variance[c] = a->variance[c] * a->fraction + variance * (n / (n - 1));
        if (c == 0)
            *a->weight = *a->weight * a->fraction + 1;
    }
}

/* y = scale z + shift, then its positive part if relu. */
void affine(const Norm *a, size first, size last, void *room, void *sums)
{
    int relu = a->relu, c = a->width;
    const float *z = a->z, *scale = a->rows, *shift = scale + c;
    float *y = a->out;
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
    int relu = a->relu, c = a->width;
    const float *dy = a->dy, *z = a->z, *scale = a->rows, *shift = scale + c, *mean = shift + c;
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

/* With x' = (z - mean) rate: dz = gamma rate (g - mean(g) - x' mean(g x')) as p g + q z + r, and the
 * gradients of gamma and beta, from the sums of `gradient_sums`.
 */
void settle_gradients(const Channels *a, size first, size last, void *room, void *sums)
{
    const double *normal = a->normal;
    size channels = a->channels;
    for (size c = first; c < last; c++) {
        double mean = normal[c], rate = normal[channels + c], scale = normal[2 * channels + c];
        double total = summed(a, 0, c), along = summed(a, 1, c);
        double q = -scale * rate * rate * along / a->pixels;
        repeat(a, 0, c, scale);
        repeat(a, 1, c, q);
        repeat(a, 2, c, -scale * total / a->pixels - q * mean);
        a->gamma_diff[c] = along * rate;
        a->beta_diff[c] = total;
    }
}

/* dz = p g + q z + r */
void gradient(const Norm *a, size first, size last, void *room, void *sums)
{
    int relu = a->relu, c = a->width;
    const float *dy = a->dy, *z = a->z, *scale = a->rows, *shift = scale + c;
    const float *p = a->pqr, *q = p + c, *r = q + c;
    float *dz = a->out;
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
