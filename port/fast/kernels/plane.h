/* A batch of images as the kernels read and write it. Plane in planes.py has the same members. */
#include "vector.h"

typedef struct {                   /* a rectangle of an image with `channels` values a pixel */
    float *data;
    size row, image;               /* steps, in floats */
    int height, width, channels;
} Plane;
