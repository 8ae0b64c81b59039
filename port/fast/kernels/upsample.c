/* Every output is a sum of few inputs along rows and along columns, as bilinear upsampling's are:
 * first the rows are added up, then what stands side by side in them.
 */
#include "plane.h"

typedef struct {
    Plane x;
    float *y;
    size image, row, pixel, channel;         /* steps in y, in floats: pixel or channel is 1 */
    int height, width;                       /* of y */
    const int *above, *before;               /* the first row and column that an output reads */
    const float *down;                       /* and the share of each: outputs x terms */
    const float *across;                     /* terms x outputs */
    int down_terms, across_terms;
} Upsample;

/* Whether W neighbouring outputs of a row always read within W neighbouring inputs. */
static int close_together(const Upsample *a)
{
    if (a->width < W)
        return 0;
    for (int s = 0; s < a->width; s++) {
        int apart = a->before[s] - a->before[s - s % W], last = a->width - W;
        if (apart < 0 || apart >= W || (s >= last && (a->before[s] < a->before[last]
                                                      || a->before[s] - a->before[last] >= W)))
            return 0;
    }
    return 1;
}

/* W outputs of a row of one channel, from output s on. */
static inline vec outputs_from(const Upsample *a, const float *row, int s)
{
    int first = a->before[s];
    mask at = *(const mask *)(a->before + s) - first;
    vec sum = {0};
    for (int j = 0; j < a->across_terms; j++)
        sum += load(a->across + j * a->width + s)
            * __builtin_shuffle(load(row + first + j), at);
    return sum;
}

/* A row of outputs of one channel, whose columns lie together. */
static inline void columns(const Upsample *a, const float *row, int close, float *to)
{
    if (close) {
        for (int s = 0; s < a->width - W; s += W)
            store(to + s, outputs_from(a, row, s));
        store(to + a->width - W, outputs_from(a, row, a->width - W));
        return;
    }
    for (int s = 0; s < a->width; s++) {
        float sum = 0;
        for (int j = 0; j < a->across_terms; j++)
            sum += a->across[j * a->width + s] * row[a->before[s] + j];
        to[s] = sum;
    }
}

/* An output of all channels, which lie together. */
static inline void channels_of(const Upsample *a, const float *left, int s, float *to)
{
    int channels = a->x.channels, c = 0;
    const float *share = a->across + s;
    while (c + W <= channels) {
        vec sum = {0};
        for (int j = 0; j < a->across_terms; j++)
            sum += share[j * a->width] * load(left + j * channels + c);
        store(to + c, sum);
        c += c + W == channels || c + 2 * W <= channels ? W : channels - W - c;
    }
    for (int j = 0; c < channels && j < a->across_terms; j++)    /* fewer than a vector holds */
        for (int q = c; q < channels; q++)
            to[q] = (j ? to[q] : 0) + share[j * a->width] * left[j * channels + q];
}

/* Rows first..last of the outputs of all images. room: two rows of x, and a vector. */
void upsample(const Upsample *a, size first, size last, float *room, void *sums)
{
    int channels = a->x.channels, wide = a->x.width, values = wide * channels;
    int close = a->channel != 1 && close_together(a);
    float *turned = room + values;                       /* channels x columns */
    for (size r = first; r < last; r++) {
        int o = (int)(r % a->height);
        const float *from = a->x.data + r / a->height * a->x.image + a->above[o] * a->x.row;
        float *to = a->y + r / a->height * a->image + o * a->row;
        for (int i = 0; i < a->down_terms; i++, from += a->x.row) {
            float share = a->down[o * a->down_terms + i];
            for (int v = 0; v < values; v++)
                room[v] = (i ? room[v] : 0) + share * from[v];
        }
        if (a->channel == 1) {
            for (int s = 0; s < a->width; s++)
                channels_of(a, room + (size)a->before[s] * channels, s, to + s * a->pixel);
            continue;
        }
        for (int q = 0; q < wide; q++)
            for (int c = 0; c < channels; c++)
                turned[c * wide + q] = room[q * channels + c];
        for (int c = 0; c < channels; c++, to += a->channel)
            columns(a, turned + c * wide, close, to);
    }
}
