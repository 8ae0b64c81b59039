/* Values copied from one order of memory into another. */
#include <string.h>
#include "vector.h"

typedef struct {
    const float *x;
    float *y;
    size x_image, x_channel, x_row, x_column;      /* strides, in floats */
    size y_image, y_channel, y_row, y_column;
    int channels, height, width;
} Reorder;

/* y = x: rows first..last of all images. */
void reorder(const Reorder *a, size first, size last, float *room, void *sums)
{
    for (size r = first; r < last; r++) {
        size image = r / a->height, row = r % a->height;
        const float *x = a->x + image * a->x_image + row * a->x_row;
        float *y = a->y + image * a->y_image + row * a->y_row;
        if (a->x_column == 1 && a->y_column == 1) {
            for (int c = 0; c < a->channels; c++)
                memcpy(y + c * a->y_channel, x + c * a->x_channel, sizeof(float) * a->width);
            continue;
        }
        for (int s = 0; s < a->width; s++)
            for (int c = 0; c < a->channels; c++)
                y[s * a->y_column + c * a->y_channel] = x[s * a->x_column + c * a->x_channel];
    }
}
