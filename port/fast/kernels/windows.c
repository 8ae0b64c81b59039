/* Any convolution as one matrix product of what its windows read, with bias, what is added to it
 * and ReLU. Images are rows x columns x channels, the channels next to each other.
 */
#include "products.h"

#define WIDE 256                   /* outputs whose sums are written together */

int outputs_together(void) { return WIDE; }

typedef struct {
    Plane x, y, plus;              /* plus: what is added to the outputs; null for nothing */
    const float *weight, *bias;
    int kernel_h, kernel_w, stride_h, stride_w, step_h, step_w;
    int top, left, relu, many;
} Windows;

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
