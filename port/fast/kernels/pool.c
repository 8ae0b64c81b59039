/* Maxima or means of windows, each cut where the image ends. */
#include <float.h>
#include "plane.h"

typedef struct {
    Plane x, y;
    const int *top, *bottom, *left, *right;  /* first row of each output's window, the one behind */
    const float *down, *across;              /* what sums are divided by; null for maxima */
} Pool;

static inline vec larger(vec a, vec b)       /* or NaN, if one is */
{
    mask take = (b > a) | (b != b);
    return (vec)(((mask)b & take) | ((mask)a & ~take));
}

/* Rows first..last of the outputs of all images. */
void pool(const Pool *a, size first, size last, float *room, void *sums)
{
    int channels = a->x.channels;
    for (size r = first; r < last; r++) {
        int o = (int)(r % a->y.height);
        const float *image = a->x.data + r / a->y.height * a->x.image;
        float *to = a->y.data + r / a->y.height * a->y.image + o * a->y.row;
        for (int s = 0; s < a->y.width; s++, to += channels) {
            int c = 0;
            for (; c < channels && channels >= W; c += W) {
                c = c + W > channels ? channels - W : c;     /* the last ones once more */
                vec found = (vec){0} + (a->down ? 0 : -FLT_MAX);
                for (int i = a->top[o]; i < a->bottom[o]; i++)
                    for (int j = a->left[s]; j < a->right[s]; j++) {
                        vec value = load(image + i * a->x.row + (size)j * channels + c);
                        if (a->down)
                            found += value;
                        else
                            found = larger(found, value);
                    }
                if (a->down)
                    found = found / a->down[o] / a->across[s];
                store(to + c, found);
            }
            for (; c < channels; c++) {
                float found = a->down ? 0 : -FLT_MAX;
                for (int i = a->top[o]; i < a->bottom[o]; i++)
                    for (int j = a->left[s]; j < a->right[s]; j++) {
                        float value = image[i * a->x.row + (size)j * channels + c];
                        found = a->down ? found + value
                            : value > found || value != value ? value : found;
                    }
                to[c] = a->down ? found / a->down[o] / a->across[s] : found;
            }
        }
    }
}
