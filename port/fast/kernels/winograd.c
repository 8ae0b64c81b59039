/* 3 x 3 convolution of stride 1 by Winograd's transforms, with bias, ReLU and 2 x 2 maxima where
 * they are asked for, written where they are wanted. Images are rows x columns x channels, the channels
 * next to each other.
 */
#include "winograd.h"

/* What the kernels are called with. */
typedef struct {
    Plane x, y;
    const float *weight, *bias;    /* as transform leaves them; null for none */
    const int *rows, *columns;     /* the first row, or column, of outputs of each tile */
    int high, wide;                /* how many tiles there are, one below and beside the other */
    int top, left, height, width;  /* padding before x; size of the convolution's output */
    int step, relu, halved, many;  /* step: dilation */
    int across;                    /* products along columns: 6 or 7 */
} Winograd;

typedef struct {
    const float *weight;
    float *packed;
    int outputs, channels, turned, across;
} Transform;

static inline vec larger(vec a, vec b)
{
    mask first = a > b;
    return (vec)((first & (mask)a) | (~first & (mask)b));
}

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

INLINE void tile_out(const Winograd *a, const float *m, size matrix, float *image, int top,
                     int left, int across)
{
    for (int o = 0; o < a->y.channels; o += W) {
        vec t[4][MOST], out[4][4], b = a->bias ? load(a->bias + o) : (vec){0};
        UNROLL
        for (int j = 0; j < across; j++) {
            const float *at = m + j * matrix + o;
            size down = across * matrix;
#define PUT(i, value) t[i][j] = (value)
            BACK_6(load(at), load(at + down), load(at + 2 * down), load(at + 3 * down),
                 load(at + 4 * down), load(at + 5 * down), PUT);
#undef PUT
        }
        UNROLL
        for (int i = 0; i < 4; i++) {
#define PUT(j, value) out[i][j] = (value) + b
            if (across == 7)
                BACK_7(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], t[i][6], PUT);
            else
                BACK_6(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT);
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
 * u: points x (outputs / NR x channels x NR, and APART). room: points (R (channels + outputs) + 2 APART)
 * floats, where R is `many` rounded up to MR.
 */
INLINE void convolve(const Winograd *a, size first, size last, float *room, int across)
{
    const Plane *x = &a->x, *y = &a->y;
    const float *u = a->weight;
    int c = x->channels, o = y->channels, wide = a->wide, high = a->high, many = a->many;
    size v_matrix = matrix_size(filled(many) * c), m_matrix = matrix_size(filled(many) * o);
    size u_matrix = matrix_size((size)o * c);
    float *v = room, *m = room + DOWN * across * v_matrix;
    for (size start = first; start < last; start += many) {
        int count = last - start < many ? last - start : many;
        for (int t = 0; t < count; t++) {
            float *to = v + (t / MR) * (size)MR * c + t % MR * W;
            inputs_in(x, tile_at(start + t, high, wide, a->rows, a->columns), a->top, a->left,
                      a->step, to, v_matrix, MR * W, across);
        }
        for (int p = 0; p < DOWN * across; p++)
            for (int ob = 0; ob < o; ob += NR) {
                const float *panel = u + p * u_matrix + (size)ob * c;
                for (int t = 0; t < count; t += MR)
                    some_rows(count - t < MR ? count - t : MR, v + p * v_matrix + (size)t * c,
                              panel, c, m + p * m_matrix + (size)t * o + ob, o,
                              panel + (size)c * NR, 0, 0);
            }
        for (int t = 0; t < count; t++) {
            Tile tile = tile_at(start + t, high, wide, a->rows, a->columns);
            tile_out(a, m + (size)t * o, m_matrix, y->data + tile.image * y->image, tile.row,
                     tile.column, across);
        }
    }
}

void winograd(const Winograd *a, size first, size last, float *room, void *sums)
{
    if (a->across == 7)
        convolve(a, first, last, room, 7);
    else
        convolve(a, first, last, room, 6);
}

/* Transform the weights o x c x 3 x 3 into a matrix a point as winograd takes them, blocks
 * first..last of NR outputs. turned: for the gradient of the inputs instead: kernels turned by half, and
 * the roles of o and c exchanged (the blocks are then of c).
 */
void transform(const Transform *a, size first, size last, void *room, void *sums)
{
    const float *w = a->weight;
    float *u = a->packed;
    int o = a->outputs, c = a->channels, turned = a->turned, across = a->across;
    int outs = turned ? c : o, ins = turned ? o : c;
    size matrix = matrix_size((size)outs * ins);
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
                vec t[DOWN][3];
                for (int j = 0; j < 3; j++) {
#define PUT(i, value) t[i][j] = (value)
                    EVALUATE_6(load(lanes[j] + l), load(lanes[3 + j] + l),
                                  load(lanes[6 + j] + l), PUT);
#undef PUT
                }
                for (int row = 0; row < DOWN; row++) {
#define PUT(j, value) store(to + (row * across + j) * matrix, value)
                    if (across == 7)
                        EVALUATE_7(t[row][0], t[row][1], t[row][2], PUT);
                    else
                        EVALUATE_6(t[row][0], t[row][1], t[row][2], PUT);
#undef PUT
                }
            }
        }
}
