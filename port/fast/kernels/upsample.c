/* Every output is a sum of few inputs along rows and along columns, as bilinear upsampling's are:
 * first the rows are added up, then what stands side by side in them.
 */
#include "plane.h"

typedef struct {
    Plane x;
    float *y;
    size image, row, pixel, channel;         /* steps in y, in floats */
    int height, width;                       /* of y */
    const int *above, *before;               /* the first row and column that an output reads */
    const float *down, *across;              /* and the share of each: outputs x terms */
    int down_terms, across_terms;
} Upsample;

/* Rows first..last of the outputs of all images. room: a row of x. */
void upsample(const Upsample *a, size first, size last, float *room, void *sums)
{
    int channels = a->x.channels, values = a->x.width * channels;
    for (size r = first; r < last; r++) {
        int o = (int)(r % a->height);
        const float *from = a->x.data + r / a->height * a->x.image + a->above[o] * a->x.row;
        float *to = a->y + r / a->height * a->image + o * a->row;
        for (int i = 0; i < a->down_terms; i++, from += a->x.row) {
            float share = a->down[o * a->down_terms + i];
            for (int v = 0; v < values; v++)
                room[v] = (i ? room[v] : 0) + share * from[v];
        }
        if (a->channel == 1)
            for (int s = 0; s < a->width; s++) {
                const float *left = room + (size)a->before[s] * channels;
                for (int j = 0; j < a->across_terms; j++, left += channels) {
                    float share = a->across[s * a->across_terms + j];
                    float *pixel = to + s * a->pixel;
                    for (int c = 0; c < channels; c++)
                        pixel[c] = (j ? pixel[c] : 0) + share * left[c];
                }
            }
        else
            for (int c = 0; c < channels; c++, to += a->channel)
                for (int s = 0; s < a->width; s++) {
                    const float *left = room + a->before[s] * channels + c;
                    float sum = 0;
                    for (int j = 0; j < a->across_terms; j++)
                        sum += a->across[s * a->across_terms + j] * left[j * channels];
                    to[s * a->pixel] = sum;
                }
    }
}
