/* 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, 2016), and the first
 * layer's convolution of few channels; both with bias and ReLU, optionally 2 x 2 maxima, written
 * where they are wanted. Images are rows x columns x channels, the channels next to each other.
 *
 * How it works. Take one axis: 4 outputs of a kernel of 3 read 6 inputs. To multiply a polynomial
 * of degree 3 by one of degree 2 one may evaluate both at 6 points, multiply the values point by
 * point, and find the product from its 6 values; the coefficients are never multiplied with one
 * another. A convolution is the transpose of such a product: inputs are transformed (FORWARD),
 * multiplied one by one with transformed weights, and transformed back (BACK), 6 products in place
 * of 12. Along both axes that is 36 in place of 144. Transforms are done once for a channel of a
 * tile and serve all outputs, so nearly all work is the products: one matrix product a point.
 *
 * Which points. The six usual ones, 0, 1, -1, 2, -2 and infinity, bring constants up to 16 into the
 * transforms, and with them the rounding errors. Here they are 0, 1, -1, i, -i and infinity (Meng
 * and Brothers, 2019), whose transforms only add and subtract. The values at i are complex; those
 * at -i are their conjugates and need no work, and one complex product is three real ones: with
 * x = a + b i and w = c + d i, from a (c - d), ... as EVALUATE and BACK have it. That makes 7
 * products along an axis and 49 a tile, and an error of two fifths.
 *
 * Order of sums. A sum of 512 terms in one long chain would have a larger rounding error than all
 * the rest together: RUN terms are added in registers, these sums by GROUPs, and those to the whole.
 */
#include "plane.h"

#define MR (W == 16 ? 14 : 6)      /* rows of a block in registers: MR x 2 vectors */
#define NR (2 * W)
#define P 7                        /* products along an axis, for 4 outputs from 6 inputs */
#define RUN W                      /* terms summed in registers before they are added up */
#define GROUP (8 * W)              /* terms added up so before these sums are */

int block_outputs(void) { return NR; }
int block_rows(void) { return MR; }

/* What the three kernels are called with; the same structures stand in winograd.py. */
typedef struct {
    Plane x, y;
    const float *weight, *bias;    /* as transform leaves them; null for none */
    int top, left, height, width;  /* padding before x; size of the convolution's output */
    int relu, halved, many;
} Winograd;

typedef struct {
    Plane x, y;
    const float *weight, *bias;
    int kernel, relu;
} FewChannels;

typedef struct {
    const float *weight;
    float *packed;
    int outputs, channels, turned;
} Transform;

static inline vec positive(vec a) { return (vec)((mask)a & ~(a < 0)); }
static inline vec larger(vec a, vec b)
{
    mask first = a > b;
    return (vec)((first & (mask)a) | (~first & (mask)b));
}

/* out[r][0..NR) = sum over k of a[k / W][r][k % W] b[k][0..NR), for `rows` of MR rows. Sums of
 * RUN terms are added up to those of a GROUP, and these to the whole: the rounding errors of one
 * long sum would be most of a convolution's.
 */
static inline __attribute__((always_inline))
void block(int rows, const float *a, const float *b, int k, float *out, size step)
{
    float near[MR * NR];
    for (int done = 0; done < k; done += RUN) {
        int stop = done + RUN < k ? done + RUN : k, first = done % GROUP == 0;
        int last = stop == k || stop % GROUP == 0;
        vec sum[MR][2];
        UNROLL
        for (int r = 0; r < MR; r++)
            sum[r][0] = sum[r][1] = (vec){0};
        for (int kk = done; kk < stop; kk += W, a += MR * W)
            for (int i = 0; i < W; i++, b += NR) {
                vec b0 = load(b), b1 = load(b + W);
                UNROLL
                for (int r = 0; r < MR; r++) {
                    if (r >= rows)
                        break;
                    float v = a[r * W + i];
                    sum[r][0] += v * b0;
                    sum[r][1] += v * b1;
                }
            }
        UNROLL
        for (int r = 0; r < MR; r++) {
            if (r >= rows)
                break;
            for (int half = 0; half < 2; half++) {
                float *group = near + r * NR + half * W, *to = out + r * step + half * W;
                vec value = sum[r][half];
                if (!first)
                    value += load(group);
                if (last && done >= GROUP)
                    value += load(to);
                store(last ? to : group, value);
            }
        }
    }
}

static void some_rows(int rows, const float *a, const float *b, int k, float *out, size step)
{
    if (rows == MR)
        block(MR, a, b, k, out, step);
    else if (rows > MR / 2)        /* the rest of a block is computed and not read */
        block(MR, a, b, k, out, step);
    else
        block(MR / 2, a, b, k, out, step);
}

#define FORWARD(x0, x1, x2, x3, x4, x5, y) do {                                              \
    vec even = x4 + x2, odd = x3 + x1, real = x4 - x2, imaginary = x3 - x1;                   \
    y(0, x0 - x4); y(1, even + odd); y(2, even - odd); y(3, real + imaginary); y(4, real);    \
    y(5, imaginary); y(6, x5 - x1); } while (0)

/* Transform the 6 x 6 inputs of one tile, W channels at a time, into P P matrices. */
static inline __attribute__((always_inline))
void tile_in(const Plane *x, const float *image, int top, int left, float *v, size matrix,
             int inside)
{
    for (int c = 0; c < x->channels; c += W, v += MR * W) {
        vec t[P][6];
        for (int j = 0; j < 6; j++) {
            vec in[6];
            int column = left + j, there = inside || (column >= 0 && column < x->width);
            UNROLL
            for (int i = 0; i < 6; i++) {
                int row = top + i;
                in[i] = there && (inside || (row >= 0 && row < x->height))
                    ? load(image + row * x->row + (size)column * x->channels + c) : (vec){0};
            }
#define PUT(i, value) t[i][j] = (value)
            FORWARD(in[0], in[1], in[2], in[3], in[4], in[5], PUT);
#undef PUT
        }
        UNROLL
        for (int i = 0; i < P; i++) {
#define PUT(j, value) store(v + (i * P + j) * matrix, value)
            FORWARD(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT);
#undef PUT
        }
    }
}

#define BACK(m0, m1, m2, m3, m4, m5, m6, y) do {                                             \
    vec even = (m1) + (m2), odd = (m1) - (m2), real = (m3) - (m5), imaginary = (m3) + (m4);   \
    y(0, (m0) + even + real); y(1, odd - imaginary); y(2, even - real);                       \
    y(3, odd + imaginary + (m6)); } while (0)

/* Write 4 x 4 outputs, or their 2 x 2 maxima, as far as they lie in the plane. */
static inline void put(const Plane *y, float *image, int top, int left, int pool, int height,
                       int width, int o, vec out[4][4])
{
    if (!pool) {
        for (int i = 0; i < 4 && top + i < height; i++)
            for (int j = 0; j < 4 && left + j < width; j++)
                store(image + (top + i) * y->row + (size)(left + j) * y->channels + o,
                      out[i][j]);
        return;
    }
    for (int i = 0; i < 4 && top + i < height; i += 2)
        for (int j = 0; j < 4 && left + j < width; j += 2) {
            vec best = out[i][j];
            int right = left + j + 1 < width, below = top + i + 1 < height;
            if (right)
                best = larger(best, out[i][j + 1]);
            if (below)
                best = larger(best, out[i + 1][j]);
            if (right && below)
                best = larger(best, out[i + 1][j + 1]);
            store(image + (top + i) / 2 * y->row + (size)((left + j) / 2) * y->channels + o,
                  best);
        }
}

static void tile_out(const float *m, size matrix, const float *bias, int relu, int pool,
                     const Plane *y, float *image, int top, int left, int height, int width)
{
    for (int o = 0; o < y->channels; o += W) {
        vec t[4][P], out[4][4], b = bias ? load(bias + o) : (vec){0};
        UNROLL
        for (int j = 0; j < P; j++) {
            const float *at = m + j * matrix + o;
            size down = P * matrix;
#define PUT(i, value) t[i][j] = (value)
            BACK(load(at), load(at + down), load(at + 2 * down), load(at + 3 * down),
                 load(at + 4 * down), load(at + 5 * down), load(at + 6 * down), PUT);
#undef PUT
        }
        UNROLL
        for (int i = 0; i < 4; i++) {
#define PUT(j, value) out[i][j] = (value) + b
            BACK(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], t[i][6], PUT);
#undef PUT
        }
        if (relu) {
            UNROLL
            for (int i = 0; i < 16; i++)
                out[i / 4][i % 4] = positive(out[i / 4][i % 4]);
        }
        put(y, image, top, left, pool, height, width, o, out);
    }
}

/* y[i, j] = bias + sum of u x[i - top .. i - top + 2, ...]; outputs height x width of each image,
 * tiles first..last (of all images, row by row) in blocks of `many`. x is zero outside its plane.
 * u: P P x outputs / NR x channels x NR. room: P P many (channels + outputs) floats, many a
 * multiple of MR.
 */
void winograd(const Winograd *a, size first, size last, float *room, void *sums)
{
    const Plane *x = &a->x, *y = &a->y;
    const float *u = a->weight, *bias = a->bias;
    int top = a->top, left = a->left, relu = a->relu, pool = a->halved, height = a->height;
    int width = a->width, many = a->many;
    int c = x->channels, o = y->channels, wide = (width + 3) / 4, high = (height + 3) / 4;
    size v_matrix = (size)many * c, m_matrix = (size)many * o;
    float *v = room, *m = room + P * P * v_matrix;
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        for (int t = 0; t < count; t++) {
            size tile = start + t, image = tile / (wide * high), rest = tile % (wide * high);
            int row = 4 * (int)(rest / wide) - top, column = 4 * (int)(rest % wide) - left;
            float *to = v + (t / MR) * (size)MR * c + t % MR * W;
            const float *from = x->data + image * x->image;
            if (row >= 0 && column >= 0 && row + 6 <= x->height && column + 6 <= x->width)
                tile_in(x, from, row, column, to, v_matrix, 1);
            else
                tile_in(x, from, row, column, to, v_matrix, 0);
        }
        for (int p = 0; p < P * P; p++)
            for (int ob = 0; ob < o; ob += NR) {
                const float *panel = u + ((size)p * o + ob) * c;
                for (int t = 0; t < count; t += MR)
                    some_rows(count - t < MR ? count - t : MR, v + p * v_matrix + (size)t * c,
                              panel, c, m + p * m_matrix + (size)t * o + ob, o);
            }
        for (int t = 0; t < count; t++) {
            size tile = start + t, image = tile / (wide * high), rest = tile % (wide * high);
            tile_out(m + (size)t * o, m_matrix, bias, relu, pool, y, y->data + image * y->image,
                     4 * (int)(rest / wide), 4 * (int)(rest % wide), height, width);
        }
    }
}

/* A convolution of k x k over few channels: rows first..last of the outputs. x has room for every
 * window. u: outputs / NR x K x NR with K = k k channels rounded up to W, rows behind zero.
 * room: MR K + MR outputs floats.
 */
void few_channels(const FewChannels *a, size first, size last, float *room, void *sums)
{
    const Plane *x = &a->x, *y = &a->y;
    const float *u = a->weight, *bias = a->bias;
    int k = a->kernel, relu = a->relu, height = y->height, width = y->width;
    int c = x->channels, o = y->channels, run = k * c, depth = (k * run + W - 1) / W * W;
    float *rows = room, *out = room + MR * depth;
    vec none = {0};
    for (int i = 0; i < MR * depth; i++)
        rows[i] = 0;
    for (size line = first; line < last; line++) {
        const float *from = x->data + line / height * x->image + line % height * x->row;
        float *to = y->data + line / height * y->image + line % height * y->row;
        for (int j = 0; j < width; j += MR) {
            int count = width - j < MR ? width - j : MR;
            for (int r = 0; r < count; r++)
                for (int i = 0; i < k; i++)
                    for (int e = 0; e < run; e++) {
                        int at = i * run + e;
                        rows[at / W * (MR * W) + r * W + at % W] =
                            from[i * x->row + (size)(j + r) * c + e];
                    }
            for (int ob = 0; ob < o; ob += NR)
                some_rows(count, rows, u + (size)ob * depth, depth, out + ob, o);
            for (int r = 0; r < count; r++)
                for (int q = 0; q < o; q += W) {
                    vec value = load(out + r * o + q) + (bias ? load(bias + q) : none);
                    store(to + (size)(j + r) * o + q, relu ? positive(value) : value);
                }
        }
    }
}

/* Transform the weights o x c x 3 x 3 into P P matrices as winograd takes them, blocks first..last
 * of NR outputs. turned: for the gradient of the inputs instead: kernels turned by half, and the
 * roles of o and c exchanged (the blocks are then of c).
 */
void transform(const Transform *a, size first, size last, void *room, void *sums)
{
    const float *w = a->weight;
    float *u = a->packed;
    int o = a->outputs, c = a->channels, turned = a->turned;
    int outs = turned ? c : o, ins = turned ? o : c;
    size matrix = (size)outs * ins;
    for (int block = (int)first; block < last; block++)
        for (int i = 0; i < ins; i++) {
            float lanes[9][NR];
            for (int l = 0; l < NR; l++) {
                int out = block * NR + l;
                const float *from = turned ? w + ((size)i * c + out) * 9
                                           : w + ((size)out * c + i) * 9;
                for (int k = 0; k < 9; k++)
                    lanes[k][l] = from[turned ? 8 - k : k];
            }
            float *to = u + ((size)block * ins + i) * NR;
            for (int l = 0; l < NR; l += W, to += W) {
                vec t[P][3];
#define EVALUATE(x0, x1, x2, y) do {                                                         \
    vec ends = (x0) + (x2), apart = (x0) - (x2);                                             \
    y(0, x0); y(1, 0.25f * (ends + (x1))); y(2, 0.25f * (ends - (x1))); y(3, 0.5f * apart);   \
    y(4, 0.5f * ((x1) - apart)); y(5, 0.5f * ((x1) + apart)); y(6, x2); } while (0)
                for (int j = 0; j < 3; j++) {
#define PUT(i, value) t[i][j] = (value)
                    EVALUATE(load(lanes[j] + l), load(lanes[3 + j] + l), load(lanes[6 + j] + l),
                             PUT);
#undef PUT
                }
                for (int row = 0; row < P; row++) {
#define PUT(j, value) store(to + (row * P + j) * matrix, value)
                    EVALUATE(t[row][0], t[row][1], t[row][2], PUT);
#undef PUT
                }
            }
        }
}
