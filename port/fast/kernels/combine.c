/* Tensors put side by side, added up, or multiplied and shifted channel by channel. */
#include <string.h>
#include "plane.h"

typedef struct {
    Plane x, y;
    int at;                        /* the first of y's channels that x's go to */
} Beside;

/* Copy the channels of x among those of y: rows first..last of all images. */
void beside(const Beside *a, size first, size last, float *room, void *sums)
{
    for (size r = first; r < last; r++) {
        size image = r / a->x.height, row = r % a->x.height;
        const float *from = a->x.data + image * a->x.image + row * a->x.row;
        float *to = a->y.data + image * a->y.image + row * a->y.row + a->at;
        for (int s = 0; s < a->x.width; s++, from += a->x.channels, to += a->y.channels)
            memcpy(to, from, sizeof(float) * a->x.channels);
    }
}

typedef struct {
    Plane x, other, y;
    float share, other_share;
    int relu;
} Sum;

/* y = share x + other_share other, or its positive part: rows first..last of all images. */
void sum(const Sum *a, size first, size last, float *room, void *sums)
{
    size values = (size)a->x.width * a->x.channels;
    for (size r = first; r < last; r++) {
        size image = r / a->x.height, row = r % a->x.height;
        const float *x = a->x.data + image * a->x.image + row * a->x.row;
        const float *other = a->other.data + image * a->other.image + row * a->other.row;
        float *y = a->y.data + image * a->y.image + row * a->y.row;
        for (size i = 0; i < values; i++) {
            float value = a->share * x[i] + a->other_share * other[i];
            y[i] = a->relu && value < 0 ? 0 : value;
        }
    }
}

typedef struct {
    Plane x, y;
    const float *scale, *shift;    /* of each channel */
    int relu;
} Affine;

/* y = scale x + shift, or its positive part: rows first..last of all images. */
void channelwise(const Affine *a, size first, size last, float *room, void *sums)
{
    int channels = a->x.channels;
    for (size r = first; r < last; r++) {
        size image = r / a->x.height, row = r % a->x.height;
        const float *x = a->x.data + image * a->x.image + row * a->x.row;
        float *y = a->y.data + image * a->y.image + row * a->y.row;
        for (int s = 0; s < a->x.width; s++, x += channels, y += channels)
            for (int c = 0; c < channels; c++) {
                float value = a->scale[c] * x[c] + a->shift[c];
                y[c] = a->relu && value < 0 ? 0 : value;
            }
    }
}
