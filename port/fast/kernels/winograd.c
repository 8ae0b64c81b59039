/* 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, 2016), with 2 x 2 maxima
 * where they are asked for, and any other as one matrix product of its windows; both with bias and
 * ReLU, written where they are wanted. Images are rows x columns x channels, the channels next to
 * each other.
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
 * Holes. With a dilation of d every d-th output reads every d-th input alone: d x d ordinary
 * convolutions lie between one another. A tile's outputs are then d apart, and so are its inputs.
 *
 * Order of sums. A sum of 512 terms in one long chain would have a larger rounding error than all
 * the rest together: RUN terms are added in registers, these sums by GROUPs, and those to the whole.
 */
#include "plane.h"

#define MR (W == 16 ? 14 : 6)      /* rows of a block in registers: MR x 2 vectors */
#define NR (2 * W)
#define WIDE 256                   /* outputs whose sums are written together */
#define P 7                        /* products along an axis, for 4 outputs from 6 inputs */
#define RUN (4 * W)                /* terms summed in registers before they are added up */
#define GROUP (16 * W)             /* terms added up so before these sums are */

int block_outputs(void) { return NR; }
int block_rows(void) { return MR; }
int outputs_together(void) { return WIDE; }

/* What the kernels are called with. */
typedef struct {
    Plane x, y;
    const float *weight, *bias;    /* as transform leaves them; null for none */
    const int *rows, *columns;     /* the first row, or column, of outputs of each tile */
    int high, wide;                /* how many tiles there are, one below and beside the other */
    int top, left, height, width;  /* padding before x; size of the convolution's output */
    int step, relu, halved, many;  /* step: dilation */
} Winograd;

typedef struct {
    Plane x, y, plus;              /* plus: what is added to the outputs; null for nothing */
    const float *weight, *bias;
    int kernel_h, kernel_w, stride_h, stride_w, step_h, step_w;
    int top, left, relu, many;
} Windows;

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
 *
 * ahead: memory that is read after this block. The cache is told of a line of it for each term:
 * all at once would hold up the loads of the product itself, and later would be late. It may lie
 * beyond what there is, as nothing is read.
 */
static inline __attribute__((always_inline))
void block(int rows, const float *a, const float *b, int k, float *out, size step,
           const float *ahead)
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
            for (int i = 0; i < W; i++, b += NR, ahead += 16) {
                __builtin_prefetch(ahead, 0, 2);
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

static void some_rows(int rows, const float *a, const float *b, int k, float *out, size step,
                      const float *ahead)
{
    if (rows > MR / 2)             /* the rest of a block is computed and not read */
        block(MR, a, b, k, out, step, ahead);
    else
        block(MR / 2, a, b, k, out, step, ahead);
}

#define FORWARD(x0, x1, x2, x3, x4, x5, y) do {                                              \
    vec even = x4 + x2, odd = x3 + x1, real = x4 - x2, imaginary = x3 - x1;                   \
    y(0, x0 - x4); y(1, even + odd); y(2, even - odd); y(3, real + imaginary); y(4, real);    \
    y(5, imaginary); y(6, x5 - x1); } while (0)

/* Transform the 6 x 6 inputs of one tile, W channels at a time, into P P matrices. */
static inline __attribute__((always_inline))
void tile_in(const Plane *x, const float *image, int top, int left, int step, float *v,
             size matrix, int inside)
{
    for (int c = 0; c < x->channels; c += W, v += MR * W) {
        vec t[P][6];
        for (int j = 0; j < 6; j++) {
            vec in[6];
            int column = left + j * step, there = inside || (column >= 0 && column < x->width);
            UNROLL
            for (int i = 0; i < 6; i++) {
                int row = top + i * step;
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
static inline void put(const Winograd *a, float *image, int top, int left, int o, vec out[4][4])
{
    const Plane *y = &a->y;
    int step = a->step, height = a->height, width = a->width;
    if (!a->halved) {
        for (int i = 0, row = top; i < 4 && row < height; i++, row += step)
            for (int j = 0, column = left; j < 4 && column < width; j++, column += step)
                store(image + row * y->row + (size)column * y->channels + o, out[i][j]);
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

static void tile_out(const Winograd *a, const float *m, size matrix, float *image, int top,
                     int left)
{
    for (int o = 0; o < a->y.channels; o += W) {
        vec t[4][P], out[4][4], b = a->bias ? load(a->bias + o) : (vec){0};
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
        if (a->relu) {
            UNROLL
            for (int i = 0; i < 16; i++)
                out[i / 4][i % 4] = positive(out[i / 4][i % 4]);
        }
        put(a, image, top, left, o, out);
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
    const float *u = a->weight;
    int c = x->channels, o = y->channels, wide = a->wide, high = a->high, many = a->many;
    int step = a->step, span = 5 * step + 1;
    size v_matrix = (size)many * c, m_matrix = (size)many * o;
    float *v = room, *m = room + P * P * v_matrix;
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        for (int t = 0; t < count; t++) {
            size tile = start + t, image = tile / (wide * high), rest = tile % (wide * high);
            int row = a->rows[rest / wide] - a->top, column = a->columns[rest % wide] - a->left;
            float *to = v + (t / MR) * (size)MR * c + t % MR * W;
            const float *from = x->data + image * x->image;
            int inside = row >= 0 && column >= 0 && row + span <= x->height
                && column + span <= x->width;
            if (inside && step == 1)
                tile_in(x, from, row, column, 1, to, v_matrix, 1);
            else
                tile_in(x, from, row, column, step, to, v_matrix, inside);
        }
        for (int p = 0; p < P * P; p++)
            for (int ob = 0; ob < o; ob += NR) {
                const float *panel = u + ((size)p * o + ob) * c;
                for (int t = 0; t < count; t += MR)
                    some_rows(count - t < MR ? count - t : MR, v + p * v_matrix + (size)t * c,
                              panel, c, m + p * m_matrix + (size)t * o + ob, o,
                              panel + (size)c * NR);
            }
        for (int t = 0; t < count; t++) {
            size tile = start + t, image = tile / (wide * high), rest = tile % (wide * high);
            tile_out(a, m + (size)t * o, m_matrix, y->data + image * y->image,
                     a->rows[rest / wide], a->columns[rest % wide]);
        }
    }
}

/* What one place of an output's window reads; null outside the image. */
static inline const float *source(const Windows *a, size output, int i, int j)
{
    const Plane *x = &a->x;
    size plane = (size)a->y.height * a->y.width, rest = output % plane;
    int row = (int)(rest / a->y.width) * a->stride_h - a->top + i * a->step_h;
    int column = (int)(rest % a->y.width) * a->stride_w - a->left + j * a->step_w;
    return row >= 0 && column >= 0 && row < x->height && column < x->width
        ? x->data + output / plane * x->image + row * x->row + (size)column * x->channels : 0;
}

/* Gather what the window of one output reads, zeros outside the image, as a row of a block. */
static inline void gather(const Windows *a, size output, int depth, float *to)
{
    int c = a->x.channels, at = 0;
    for (int i = 0; i < a->kernel_h; i++)
        for (int j = 0; j < a->kernel_w; j++) {
            const float *from = source(a, output, i, j);
            if (c % W == 0)
                for (int e = 0; e < c; e += W, at += W)
                    store(to + at * MR, from ? load(from + e) : (vec){0});
            else
                for (int e = 0; e < c; e++, at++)
                    to[at / W * (MR * W) + at % W] = from ? from[e] : 0;
        }
    for (; at < depth; at++)
        to[at / W * (MR * W) + at % W] = 0;
}

/* Write some channels of an output: its sums with bias, what is added, and ReLU. */
static inline void finish(const Windows *a, size output, int from, int channels, const float *sums)
{
    const Plane *y = &a->y, *plus = &a->plus;
    size plane = (size)y->height * y->width, image = output / plane;
    size row = output % plane / y->width, column = output % y->width;
    float *to = y->data + image * y->image + row * y->row + column * y->channels + from;
    const float *bias = a->bias ? a->bias + from : 0, *other = plus->data
        ? plus->data + image * plus->image + row * plus->row + column * plus->channels + from : 0;
    vec none = {0};
    int q = 0;
    for (; q + W <= channels; q += W) {
        vec value = load(sums + q) + (bias ? load(bias + q) : none);
        value += other ? load(other + q) : none;
        store(to + q, a->relu ? positive(value) : value);
    }
    for (; q < channels; q++) {
        float value = sums[q] + (bias ? bias[q] : 0) + (other ? other[q] : 0);
        to[q] = a->relu && value < 0 ? 0 : value;
    }
}

/* Any convolution as one matrix product: outputs first..last (of all images, row by row), `many`
 * of them at a time, many a multiple of MR. u: outputs / NR x K x NR, where K is the number of
 * terms rounded up to W, as the number of outputs is to NR; what is filled up is zero.
 * room: many (K + WIDE) floats.
 */
void windows(const Windows *a, size first, size last, float *room, void *sums)
{
    int depth = (a->kernel_h * a->kernel_w * a->x.channels + W - 1) / W * W, many = a->many;
    int channels = a->y.channels;
    float *rows = room, *out = room + (size)many * depth;
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        for (int t = 0; t < count; t++)
            gather(a, start + t, depth, rows + (t / MR) * (size)MR * depth + t % MR * W);
        for (int o = 0; o < channels; o += WIDE) {
            int wide = channels - o < WIDE ? channels - o : WIDE;
            for (int ob = 0; ob < wide; ob += NR) {
                const float *panel = a->weight + (size)(o + ob) * depth;
                int at_last = o + ob + NR >= channels;
                for (int t = 0; t < count; t += MR) {
                    const float *next = at_last && start + many + t < last
                        ? source(a, start + many + t, a->kernel_h / 2, a->kernel_w / 2) : 0;
                    some_rows(count - t < MR ? count - t : MR, rows + (size)t * depth, panel,
                              depth, out + (size)t * WIDE + ob, WIDE, next ? next : panel);
                }
            }
            for (int t = 0; t < count; t++)
                finish(a, start + t, o, wide, out + (size)t * WIDE);
        }
    }
}

/* A convolution from what every place of its window gives of the pixel that it reads: x has as
 * channels the outputs of the first place, of the second, ... Outputs first..last are their sums.
 * sums: as many floats as there are outputs.
 */
void places(const Windows *a, size first, size last, float *sums, void *none)
{
    int channels = a->y.channels;
    for (size output = first; output < last; output++) {
        for (int q = 0; q < channels; q++)
            sums[q] = 0;
        for (int i = 0; i < a->kernel_h; i++)
            for (int j = 0; j < a->kernel_w; j++) {
                const float *from = source(a, output, i, j);
                for (int q = 0; from && q < channels; q++)
                    sums[q] += from[(i * a->kernel_w + j) * channels + q];
            }
        finish(a, output, 0, channels, sums);
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
