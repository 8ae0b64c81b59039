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

/* Rows first..last of the outputs of all images. room: two rows of x. */
void upsample(const Upsample *a, size first, size last, float *room, void *sums)
{
    int channels = a->x.channels, wide = a->x.width, values = wide * channels;
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
                for (int j = 0; j < a->across_terms; j++) {
                    const float *left = room + (size)(a->before[s] + j) * channels;
                    float share = a->across[j * a->width + s], *pixel = to + s * a->pixel;
                    for (int c = 0; c < channels; c++)
                        pixel[c] = (j ? pixel[c] : 0) + share * left[c];
                }
            continue;
        }
        for (int q = 0; q < wide; q++)
            for (int c = 0; c < channels; c++)
                turned[c * wide + q] = room[q * channels + c];
        for (int c = 0; c < channels; c++, turned += wide, to += a->channel)
            for (int j = 0; j < a->across_terms; j++) {
                const float *left = turned + j, *share = a->across + j * a->width;
                if (j)
                    for (int s = 0; s < a->width; s++)
                        to[s] += share[s] * left[a->before[s]];
                else
                    for (int s = 0; s < a->width; s++)
                        to[s] = share[s] * left[a->before[s]];
            }
        turned = room + values;
    }
}
