/* Any convolution as one matrix product of what its windows read, with bias, what is added to it
 * and ReLU. Images are rows x columns x channels, the channels next to each other.
 */
#include <string.h>
#include "products.h"

#define WIDE 256                   /* outputs whose sums are written together */
#define NOTED 64                   /* places of a window, up to which those are noted that are read */

typedef unsigned long long Places; /* of a window: a bit each */

int outputs_together(void) { return WIDE; }

typedef struct {
    Plane x, y, plus;              /* plus: what is added to the outputs; null for nothing */
    const float *weight, *bias;
    const int *order;              /* in which an image's outputs are computed; null: row by row */
    int kernel_h, kernel_w, stride_h, stride_w, step_h, step_w;
    int top, left, relu, many;
} Windows;

/* An output among those of all images. */
typedef struct {
    int image, row, column;
} Output;

static inline Output output_at(const Windows *a, size output)
{
    size plane = (size)a->y.height * a->y.width, rest = output % plane;
    if (a->order)
        rest = a->order[rest];
    return (Output){(int)(output / plane), (int)(rest / a->y.width), (int)(rest % a->y.width)};
}

/* Go on to the next output, whose number is given. To count up is quicker than to divide. */
static inline void go_on(const Windows *a, Output *o, size output)
{
    if (a->order) {
        *o = output_at(a, output);
        return;
    }
    if (++o->column < a->y.width)
        return;
    o->column = 0;
    if (++o->row < a->y.height)
        return;
    o->row = 0;
    o->image++;
}

/* The row of the image that a row of an output's window reads; null outside. */
static inline const float *row_read(const Windows *a, Output o, int i)
{
    int row = o.row * a->stride_h - a->top + i * a->step_h;
    return row >= 0 && row < a->x.height
        ? a->x.data + o.image * a->x.image + row * a->x.row : 0;
}

/* The first column that an output's window reads; it may lie outside the image. */
static inline int first_column(const Windows *a, Output o)
{
    return o.column * a->stride_w - a->left;
}

/* A pixel of such a row; null outside. */
static inline const float *pixel(const Windows *a, const float *row, int column)
{
    return row && column >= 0 && column < a->x.width ? row + (size)column * a->x.channels : 0;
}

/* What one place of an output's window reads; null outside the image. */
static inline const float *source(const Windows *a, Output o, int i, int j)
{
    return pixel(a, row_read(a, o, i), first_column(a, o) + j * a->step_w);
}

/* Copy values, or zeros where there are none. */
static inline void copy(float *to, const float *from, int count)
{
    if (from)
        memcpy(to, from, sizeof(float) * count);
    else
        memset(to, 0, sizeof(float) * count);
}

/* The same by whole vectors, which read and write up to W - 1 values more. */
static inline void copy_roughly(float *to, const float *from, int count)
{
    for (int e = 0; e < count; e += W)
        store(to + e, from ? load(from + e) : (vec){0});
}

/* Gather what the window of one output reads, zeros outside the image, in one piece. */
static inline void gather_flat(const Windows *a, Output o, int depth, float *to)
{
    int c = a->x.channels, wide = a->kernel_w * c, column = first_column(a, o);
    int together = a->step_w == 1 && column >= 0 && column + a->kernel_w <= a->x.width;
    const float *last = a->x.data + o.image * a->x.image + (a->x.height - 1) * a->x.row;
    float *end = to + depth;
    for (int i = 0; i < a->kernel_h; i++) {
        const float *row = row_read(a, o, i);
        if (!together) {
            for (int j = 0; j < a->kernel_w; j++, to += c)
                copy(to, pixel(a, row, column + j * a->step_w), c);
            continue;
        }
        /* A row of the window is one piece of memory, and more follows it above the last row. */
        if (!row || (row < last && a->x.row >= W))
            copy_roughly(to, pixel(a, row, column), wide);
        else
            copy(to, pixel(a, row, column), wide);
        to += wide;
    }
    copy(to, 0, (int)(end - to));
}

/* The places of an output's window that lie within the image. */
static inline Places within(const Windows *a, Output o)
{
    Places read = 0, place = 1;
    for (int i = 0; i < a->kernel_h; i++)
        for (int j = 0; j < a->kernel_w; j++, place <<= 1)
            read |= source(a, o, i, j) ? place : 0;
    return read;
}

/* Gather some places of a window over channels that fill vectors as a row of a block. */
static inline void gather(const Windows *a, Output o, Places read, float *to)
{
    for (int i = 0, place = 0; i < a->kernel_h; i++) {
        const float *row = row_read(a, o, i);
        for (int j = 0, column = first_column(a, o); j < a->kernel_w;
             j++, place++, column += a->step_w) {
            const float *from = pixel(a, row, column);
            if (place < NOTED && !(read >> place & 1))
                continue;
            for (int e = 0; e < a->x.channels; e += W, to += MR * W)
                store(to, from ? load(from + e) : (vec){0});
        }
    }
}

/* Gather what a block of outputs reads, the first of them `at`; return which places that are: with
 * an order those that one of them reads within the image, else all. flat: room for MR windows.
 */
static inline Places gather_block(const Windows *a, size first, int count, Output *at, int depth,
                                  float *flat, float *rows)
{
    Places read = 0;
    Output o = *at;
    if (a->x.channels % W) {
        for (int t = 0; t < count; t++, go_on(a, at, first + t))
            gather_flat(a, *at, depth, flat + t * (depth + W));
        for (int t = 0; t < count; t++)
            for (int e = 0; e < depth; e += W)
                store(rows + t * W + (size)e * MR, load(flat + t * (depth + W) + e));
        return ~(Places)0;
    }
    for (int t = 0; a->order && t < count; t++, go_on(a, &o, first + t))
        read |= within(a, o);
    read = read && a->kernel_h * a->kernel_w <= NOTED ? read : ~(Places)0;
    for (int t = 0; t < count; t++, go_on(a, at, first + t))
        gather(a, *at, read, rows + t * W);
    return read;
}

/* The sums of a block of outputs over the places of their windows that were gathered. */
static void sums_of_block(const Windows *a, int count, const float *rows, const float *panel,
                          int depth, Places read, float *out, const float *ahead, int few)
{
    int places = a->kernel_h * a->kernel_w, c = a->x.channels, more = 0;
    Places all = places < NOTED ? ((Places)1 << places) - 1 : ~(Places)0;
    if ((read & all) == all) {
        some_rows(count, rows, panel, depth, out, WIDE, ahead, few, 0);
        return;
    }
    for (int from = 0, to; from < places; from = to) {
        int inside = read >> from & 1, terms;
        for (to = from + 1; to < places && (int)(read >> to & 1) == inside; to++)
            ;
        if (!inside)
            continue;
        terms = (to - from) * c;
        some_rows(count, rows, panel + (size)from * c * NR, terms, out, WIDE, ahead, few, more);
        rows += (size)terms * MR;
        more = 1;
    }
}

/* Four values, for outputs of few channels. */
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* Write some channels of an output: its sums with bias, what is added, and ReLU. Channels that fill
 * no vector are computed with some before them, first of all, as what is added may lie where the
 * output is written.
 */
#define VALUE(type, q) ({ \
    type value_ = *(const type *)(sums + (q)); \
    if (bias) \
        value_ += *(const type *)(bias + (q)); \
    if (other) \
        value_ += *(const type *)(other + (q)); \
    relu ? (type)(((__typeof__(value_ < value_))value_) & ~(value_ < 0)) : value_; })
#define WRITE(type, wide) do { \
    type last = VALUE(type, channels - wide); \
    for (int q = 0; q < channels - wide; q += wide) \
        *(type *)(to + q) = VALUE(type, q); \
    *(type *)(to + channels - wide) = last; \
} while (0)

static inline void finish(const Windows *a, Output o, int from, int channels, const float *sums)
{
    const Plane *y = &a->y, *plus = &a->plus;
    int relu = a->relu;
    float *to = y->data + o.image * y->image + o.row * y->row + (size)o.column * y->channels
        + from;
    const float *bias = a->bias ? a->bias + from : 0, *other = plus->data
        ? plus->data + o.image * plus->image + o.row * plus->row
            + (size)o.column * plus->channels + from : 0;
    if (channels >= W)
        WRITE(vec, W);
    else if (channels >= 4)
        WRITE(four, 4);
    else
        for (int q = 0; q < channels; q++) {
            float value = sums[q] + (bias ? bias[q] : 0) + (other ? other[q] : 0);
            to[q] = relu && value < 0 ? 0 : value;
        }
}

/* Any convolution as one matrix product: outputs first..last (of all images, row by row), `many`
 * of them at a time. u: outputs / NR x K x NR, where K is the number of terms rounded up to W, as
 * the number of outputs is to NR; what is filled up is zero.
 * room: R (K + WIDE + 2) + MR (K + W) floats, where R is `many` rounded up to MR.
 */
void windows(const Windows *a, size first, size last, float *room, void *sums)
{
    int depth = (a->kernel_h * a->kernel_w * a->x.channels + W - 1) / W * W, many = a->many;
    int channels = a->y.channels;
    float *rows = room, *out = rows + filled(many) * depth, *flat = out + filled(many) * WIDE;
    Places *read = (Places *)(flat + MR * (depth + W));      /* of each block */
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        Output begin = output_at(a, start), at = begin;
        for (int t = 0; t < count; t += MR)
            read[t / MR] = gather_block(a, start + t, count - t < MR ? count - t : MR, &at, depth,
                                        flat, rows + (size)t * depth);
        for (int o = 0; o < channels; o += WIDE) {
            int wide = channels - o < WIDE ? channels - o : WIDE;
            for (int ob = 0; ob < wide; ob += NR) {
                const float *panel = a->weight + (size)(o + ob) * depth;
                int at_last = o + ob + NR >= channels, few = wide - ob <= W;
                for (int t = 0; t < count; t += MR) {
                    const float *next = at_last && start + many + t < last
                        ? source(a, output_at(a, start + many + t), a->kernel_h / 2, a->kernel_w / 2)
                        : 0;
                    sums_of_block(a, count - t < MR ? count - t : MR, rows + (size)t * depth, panel,
                                  depth, read[t / MR], out + (size)t * WIDE + ob,
                                  next ? next : panel, few);
                }
            }
            at = begin;
            for (int t = 0; t < count; t++, go_on(a, &at, start + t))
                finish(a, at, o, wide, out + (size)t * WIDE);
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
    Output at = output_at(a, first);
    for (size output = first; output < last; output++, go_on(a, &at, output)) {
        for (int q = 0; q < channels; q++)
            sums[q] = 0;
        for (int i = 0; i < a->kernel_h; i++)
            for (int j = 0; j < a->kernel_w; j++) {
                const float *from = source(a, at, i, j);
                for (int q = 0; from && q < channels; q++)
                    sums[q] += from[(i * a->kernel_w + j) * channels + q];
            }
        finish(a, at, 0, channels, sums);
    }
}
