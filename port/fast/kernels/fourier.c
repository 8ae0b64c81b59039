/* Convolution with large kernels (5 x 5 to 8 x 8) of stride 1, by Fourier transforms of 16 x 16
 * tiles: its forward pass, and both gradients in one. A tile gives side x side outputs, side =
 * 17 - kernel; products of 130 complex numbers replace side^2 kernel^2 ones. Images are rows x
 * columns x channels; every transform works on W channels at a time.
 *
 * Why it pays: a convolution is a product of spectra, number by number. A real tile has half a
 * spectrum: columns 0..8 of it, and of columns 0 and 8 the rows 0..8. Two
 * rows go through one transform, as real and imaginary part, so that a spectrum carries a factor
 * of 2; the weights' spectrum has 1 / (2 16 16) in it.
 */
#include "plane.h"

#define TILE 16
#define HALF 9                     /* columns of the spectrum */
#define BINS 130
#define ROWS (REGISTERS == 32 ? 12 : 6)   /* tiles, or channels, whose sums stay in registers */

static const float COS[10] = {1, 0.92387953251128674f, 0.70710678118654752f, 0.38268343236508977f,
                              0, 0, -0.70710678118654752f, 0, 0, -0.92387953251128674f};
static const float SIN[10] = {0, -0.38268343236508977f, -0.70710678118654752f,
                              -0.92387953251128674f, -1, 0, -0.70710678118654752f, 0, 0,
                              0.38268343236508977f};

int fourier_rows(void) { return ROWS; }

typedef struct {
    Plane x, y, partner;           /* y and partner without data where they are not wanted */
    const float *spectrum;
    int top, left, side, height, width, many;
} Fourier;

/* The four sums x0 + w x1 + w^2 x2 + w^3 x3, w = 1, -i, -1, i. */
INLINE void four(const vec *xr, const vec *xi, int step, vec *yr, vec *yi)
{
    vec sr = xr[0] + xr[2 * step], si = xi[0] + xi[2 * step];
    vec dr = xr[0] - xr[2 * step], di = xi[0] - xi[2 * step];
    vec tr = xr[step] + xr[3 * step], ti = xi[step] + xi[3 * step];
    vec er = xr[step] - xr[3 * step], ei = xi[step] - xi[3 * step];
    yr[0] = sr + tr; yi[0] = si + ti;
    yr[1] = dr + ei; yi[1] = di - er;
    yr[2] = sr - tr; yi[2] = si - ti;
    yr[3] = dr - ei; yi[3] = di + er;
}

/* The discrete Fourier transform of 16 complex numbers, in their place (4 x 4, Cooley, Tukey).
 * With re and im exchanged it is the inverse, times 16.
 */
INLINE void dft(vec *re, vec *im)
{
    vec ar[TILE], ai[TILE];        /* [output of the first transforms][place] */
    UNROLL
    for (int n = 0; n < 4; n++) {
        vec yr[4], yi[4];
        four(re + n, im + n, 4, yr, yi);
        UNROLL
        for (int k = 0; k < 4; k++) {
            float c = COS[n * k], s = SIN[n * k];
            ar[4 * k + n] = yr[k] * c - yi[k] * s;
            ai[4 * k + n] = yr[k] * s + yi[k] * c;
        }
    }
    UNROLL
    for (int k = 0; k < 4; k++) {
        vec yr[4], yi[4];
        four(ar + 4 * k, ai + 4 * k, 1, yr, yi);
        UNROLL
        for (int m = 0; m < 4; m++) {
            re[k + 4 * m] = yr[m];
            im[k + 4 * m] = yi[m];
        }
    }
}

/* Where column f of the spectrum starts, and how many of its rows are kept. */
INLINE int bin(int f) { return f == 0 ? 0 : f == 8 ? HALF : 2 * HALF + TILE * (f - 1); }
INLINE int kept(int f) { return f % 8 ? TILE : HALF; }

typedef struct { vec re[TILE], im[TILE]; } Line;

/* Transform a tile of x, of which `side` rows and columns count, into `v`: W real and W imaginary
 * parts a bin and W channels, the bins `matrix` apart.
 */
static void tile_in(const Plane *x, const float *image, int top, int left, int side, float *v,
                    size matrix)
{
    Line columns[HALF];
    int begin = left < 0 ? -left : 0, end = x->width - left < side ? x->width - left : side;
    for (int c = 0; c < x->channels; c += W, v += 2 * W) {
        for (int i = 0; i < TILE; i += 2) {
            Line z = {0};
            for (int part = 0; part < 2; part++) {
                int row = top + i + part;
                if (i + part >= side || row < 0 || row >= x->height)
                    continue;
                vec *to = part ? z.im : z.re;
                const float *from = image + row * x->row + (size)left * x->channels + c;
                for (int j = begin; j < end; j++)
                    to[j] = load(from + (size)j * x->channels);
            }
            dft(z.re, z.im);
            UNROLL
            for (int f = 0; f < HALF; f++) {
                int g = (TILE - f) % TILE;
                columns[f].re[i] = z.re[f] + z.re[g];
                columns[f].im[i] = z.im[f] - z.im[g];
                columns[f].re[i + 1] = z.im[f] + z.im[g];
                columns[f].im[i + 1] = z.re[g] - z.re[f];
            }
        }
        for (int f = 0; f < HALF; f++) {
            dft(columns[f].re, columns[f].im);
            float *to = v + bin(f) * matrix;
            for (int i = 0; i < kept(f); i++, to += matrix) {
                store(to, columns[f].re[i]);
                store(to + W, columns[f].im[i]);
            }
        }
    }
}

/* The inverse of tile_in: write side x side outputs as far as they lie in the plane. */
static void tile_out(const float *m, size matrix, int side, const Plane *y, float *image, int top,
                     int left)
{
    Line columns[HALF];
    int wide = y->width - left < side ? y->width - left : side;
    int high = y->height - top < side ? y->height - top : side;
    for (int o = 0; o < y->channels; o += W, m += 2 * W) {
        for (int f = 0; f < HALF; f++) {
            const float *from = m + bin(f) * matrix;
            Line *z = columns + f;
            for (int i = 0; i < kept(f); i++, from += matrix) {
                z->re[i] = load(from);
                z->im[i] = load(from + W);
            }
            for (int i = kept(f); i < TILE; i++) {
                z->re[i] = z->re[TILE - i];
                z->im[i] = -z->im[TILE - i];
            }
            dft(z->im, z->re);
        }
        for (int i = 0; i < high; i += 2) {
            Line z;
            UNROLL
            for (int f = 0; f < HALF; f++) {
                vec ar = columns[f].re[i], ai = columns[f].im[i];
                vec br = columns[f].re[i + 1], bi = columns[f].im[i + 1];
                int g = (TILE - f) % TILE;
                z.re[g] = ar + bi;
                z.im[g] = br - ai;
                z.re[f] = ar - bi;
                z.im[f] = ai + br;
            }
            dft(z.im, z.re);
            for (int part = 0; part < 2 && i + part < high; part++) {
                float *to = image + (top + i + part) * y->row + (size)left * y->channels + o;
                const vec *from = part ? z.im : z.re;
                for (int j = 0; j < wide; j++)
                    store(to + (size)j * y->channels, from[j]);
            }
        }
    }
}

/* m[r] = sum over k of a[r][k] b[k], complex, for ROWS rows of c numbers and W columns of b. */
static void products(const float *a, size a_step, const float *b, int c, float *m, size m_step)
{
    vec re[ROWS], im[ROWS];
    UNROLL
    for (int r = 0; r < ROWS; r++)
        re[r] = im[r] = (vec){0};
    for (int k = 0; k < c; k += W, a += 2 * W)
        for (int i = 0; i < W; i++, b += 2 * W) {
            vec br = load(b), bi = load(b + W);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                float ar = a[r * a_step + i], ai = a[r * a_step + W + i];
                re[r] += ar * br;
                im[r] += ar * bi;
                re[r] -= ai * bi;
                im[r] += ai * br;
            }
        }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        store(m + r * m_step, re[r]);
        store(m + r * m_step + W, im[r]);
    }
}

#define CHANNELS (W > 8 ? 8 : 4)   /* rows of the sums of `correlate` in registers */

/* s[r] += sum over tiles of a[tile][r] conj(b[tile]), for CHANNELS rows and W columns. */
static void correlate(const float *a, size a_step, const float *b, size b_step, int tiles,
                      float *s, size s_step)
{
    vec re[CHANNELS], im[CHANNELS];
    UNROLL
    for (int r = 0; r < CHANNELS; r++) {
        re[r] = load(s + r * s_step);
        im[r] = load(s + r * s_step + W);
    }
    for (int t = 0; t < tiles; t++, a += a_step, b += b_step) {
        vec br = load(b), bi = load(b + W);
        UNROLL
        for (int r = 0; r < CHANNELS; r++) {
            float ar = a[r], ai = a[W + r];
            re[r] += ar * br;
            im[r] += ai * br;
            re[r] += ai * bi;
            im[r] -= ar * bi;
        }
    }
    UNROLL
    for (int r = 0; r < CHANNELS; r++) {
        store(s + r * s_step, re[r]);
        store(s + r * s_step + W, im[r]);
    }
}

static void sum_up(const float *v, const float *w, int c, int p, int tiles, int many, float *sum)
{
    for (int f = 0; f < BINS; f++, v += (size)many * 2 * c, w += (size)many * 2 * p)
        for (int i = 0; i < c; i += CHANNELS, sum += CHANNELS * 2 * p)
            for (int j = 0; j < 2 * p; j += 2 * W)
                correlate(v + i / W * 2 * W + i % W, 2 * c, w + j, 2 * p, tiles, sum + j, 2 * p);
}

typedef struct { size image; int row, column; } Place;

static Place place(size tile, int wide, int high, int side)
{
    size rest = tile % (wide * high);
    return (Place){tile / (wide * high), side * (int)(rest / wide), side * (int)(rest % wide)};
}

/* Tiles first..last (of all images, row by row) of height x width outputs, `many` at a time, a
 * multiple of ROWS:
 * y[i, j] = sum of w x[i - top .., j - left ..] from the weights' spectrum u: BINS x outputs / W x
 * channels x 2 W; and sum[bin][channel of x][channel of partner], 2 W at a time, += the
 * correlation of x with partner, which is of y's size. x is zero outside.
 * room: 2 BINS many (channels of x + the more of y's and partner's) floats.
 */
void fourier(const Fourier *a, size first, size last, float *room, float *sum)
{
    const Plane *x = &a->x, *y = a->y.data ? &a->y : NULL;
    const Plane *partner = a->partner.data ? &a->partner : NULL;
    const float *u = a->spectrum;
    int top = a->top, left = a->left, side = a->side, many = a->many;
    int height = a->height, width = a->width;
    int c = x->channels, wide = (width + side - 1) / side, high = (height + side - 1) / side;
    size v_matrix = (size)many * 2 * c;
    float *v = room, *m = room + BINS * v_matrix;
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        for (int t = 0; t < count; t++) {
            Place p = place(start + t, wide, high, side);
            tile_in(x, x->data + p.image * x->image, p.row - top, p.column - left, TILE,
                    v + (size)t * 2 * c, v_matrix);
        }
        if (y) {
            int o = y->channels;
            size m_matrix = (size)many * 2 * o;
            for (int f = 0; f < BINS; f++)
                for (int ob = 0; ob < o; ob += W)
                    for (int t = 0; t < count; t += ROWS)
                        products(v + f * v_matrix + (size)t * 2 * c, 2 * c,
                                 u + ((size)f * o + ob) * 2 * c, c,
                                 m + f * m_matrix + (size)t * 2 * o + 2 * ob, 2 * o);
            for (int t = 0; t < count; t++) {
                Place p = place(start + t, wide, high, side);
                tile_out(m + (size)t * 2 * o, m_matrix, side, y, y->data + p.image * y->image,
                         p.row, p.column);
            }
        }
        if (partner) {
            int p_channels = partner->channels;
            for (int t = 0; t < count; t++) {
                Place p = place(start + t, wide, high, side);
                tile_in(partner, partner->data + p.image * partner->image, p.row, p.column, side,
                        m + (size)t * 2 * p_channels, (size)many * 2 * p_channels);
            }
            sum_up(v, m, c, p_channels, count, many, sum);
        }
    }
}
