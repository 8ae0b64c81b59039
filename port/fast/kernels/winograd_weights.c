/* The gradient of the weights of a 3 x 3 convolution of stride 1 by Winograd's transforms.
 *
 * A tile's 4 x 4 outputs are BACK of the products of transformed inputs and weights. So the
 * gradient of the transformed weights is the transpose of BACK (SPREAD) of the outputs' gradient,
 * times the transformed inputs, summed over all tiles; the transpose of EVALUATE (GATHER) takes it back to
 * 3 x 3. That is 42 products for a tile and a pair of channels in place of 144.
 *
 * So many tiles are done at a time that their values stay in the cache: spread_tiles transforms
 * them, add_products multiplies and adds up; in the end gather_weights gives the gradient.
 */
#include "winograd.h"

#define ACROSS 7                   /* products along columns */
#define ROWS (W > 8 ? 8 : 4)       /* channels of a block in registers: ROWS x 2 vectors */

typedef struct {
    Plane x, dy;
    const int *rows, *columns;     /* the first row, or column, of outputs of each tile */
    int high, wide;                /* how many tiles there are, one below and beside the other */
    int top, left, step;           /* padding before x; dilation */
    int start, many, count;        /* tiles: the first; for which there is room; of this time */
    float *v;                      /* points x channels / W x many x W */
    float *w;                      /* points x outputs / NR x many x NR */
    float *products;               /* points x outputs / NR x channels x NR */
    float *weight;                 /* outputs x channels x 3 x 3 */
} Gradient;

/* The transposes of BACK_6 and BACK_7: from 4 values to those at the points. */
#define SPREAD_6(y0, y1, y2, y3, m) do {                                                     \
    vec near = y0 + 0.5f * y2, odd_near = A * (y1 + 0.5f * y3);                              \
    vec far = y0 + 2 * y2, odd_far = B * (y1 + 2 * y3);                                      \
    m(0, y0); m(1, near + odd_near); m(2, near - odd_near);                                  \
    m(3, far + odd_far); m(4, far - odd_far); m(5, y3); } while (0)

#define SPREAD_7(y0, y1, y2, y3, m) do {                                                     \
    vec even = y0 + y2, odd = y1 + y3, real = y0 - y2, imaginary = y3 - y1;                  \
    m(0, y0); m(1, even + odd); m(2, even - odd); m(3, real + imaginary); m(4, imaginary);   \
    m(5, -real); m(6, y3); } while (0)

/* The transposes of EVALUATE_6 and EVALUATE_7: from the values at the points to 3. */
#define GATHER_6(u0, u1, u2, u3, u4, u5, w) do {                                             \
    vec near = ((u1) + (u2)) / -1.5f, odd_near = ((u1) - (u2)) / -1.5f;                      \
    vec far = ((u3) + (u4)) / 6, odd_far = ((u3) - (u4)) / 6;                                \
    w(0, (u0) + near + far); w(1, A * odd_near + B * odd_far);                               \
    w(2, 0.5f * near + 2 * far + (u5)); } while (0)

#define GATHER_7(u0, u1, u2, u3, u4, u5, u6, w) do {                                         \
    vec ends = 0.25f * ((u1) + (u2)), apart = 0.5f * ((u3) - (u4) + (u5));                   \
    w(0, (u0) + ends + apart); w(1, 0.25f * ((u1) - (u2)) + 0.5f * ((u4) + (u5)));           \
    w(2, ends - apart + (u6)); } while (0)

static void gradient_in(const Gradient *a, Tile tile, float *w, size matrix)
{
    const Plane *dy = &a->dy;
    const float *image = dy->data + tile.image * dy->image;
    for (int o = 0; o < dy->channels; o += W) {
        vec t[DOWN][4];
        for (int j = 0; j < 4; j++) {
            vec in[4];
            int column = tile.column + j * a->step;
            UNROLL
            for (int i = 0; i < 4; i++) {
                int row = tile.row + i * a->step;
                in[i] = row < dy->height && column < dy->width
                    ? load(image + row * dy->row + (size)column * dy->channels + o) : (vec){0};
            }
#define PUT(i, value) t[i][j] = (value)
            SPREAD_6(in[0], in[1], in[2], in[3], PUT);
#undef PUT
        }
        float *to = w + o / NR * (size)a->many * NR + o % NR;
        UNROLL
        for (int i = 0; i < DOWN; i++) {
#define PUT(j, value) store(to + (i * ACROSS + j) * matrix, value)
            SPREAD_7(t[i][0], t[i][1], t[i][2], t[i][3], PUT);
#undef PUT
        }
    }
}

/* Transform what tiles first..last of those of this time read, and their gradients. */
void spread_tiles(const Gradient *a, size first, size last, void *room, void *sums)
{
    size v_matrix = matrix_size((size)a->many * a->x.channels);
    size w_matrix = matrix_size((size)a->many * a->dy.channels);
    for (size t = first; t < last; t++) {
        Tile tile = tile_at(a->start + t, a->high, a->wide, a->rows, a->columns);
        inputs_in(&a->x, tile, a->top, a->left, a->step, a->v + t * W, v_matrix,
                  (size)a->many * W, ACROSS);
        gradient_in(a, tile, a->w + t * NR, w_matrix);
    }
}

/* out[0..ROWS)[0..NR) += sum over `count` tiles of v[t][0..ROWS) w[t][0..NR). */
static void add_block(const float *v, const float *w, int count, float *out)
{
    for (int done = 0; done < count; done += RUN) {
        int stop = done + RUN < count ? done + RUN : count;
        vec sum[ROWS][2];
        UNROLL
        for (int r = 0; r < ROWS; r++)
            sum[r][0] = sum[r][1] = (vec){0};
        for (int t = done; t < stop; t++, v += W, w += NR) {
            vec w0 = load(w), w1 = load(w + W);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                sum[r][0] += v[r] * w0;
                sum[r][1] += v[r] * w1;
            }
        }
        UNROLL
        for (int r = 0; r < ROWS; r++)
            for (int half = 0; half < 2; half++) {
                float *to = out + r * NR + half * W;
                store(to, load(to) + sum[r][half]);
            }
    }
}

/* Add to the products what the tiles of this time give; blocks first..last of NR outputs at one
 * point.
 */
void add_products(const Gradient *a, size first, size last, void *room, void *sums)
{
    int channels = a->x.channels, blocks = a->dy.channels / NR;
    size v_matrix = matrix_size((size)a->many * channels);
    size w_matrix = matrix_size((size)a->many * a->dy.channels);
    for (size block = first; block < last; block++) {
        const float *v = a->v + block / blocks * v_matrix;
        const float *w = a->w + block / blocks * w_matrix + block % blocks * a->many * NR;
        float *out = a->products + block * channels * NR;
        for (int c = 0; c < channels; c += ROWS)
            add_block(v + c / W * (size)a->many * W + c % W, w, a->count, out + c * NR);
    }
}

/* The 3 x 3 weights' gradient from the products, blocks first..last of NR outputs. */
void gather_weights(const Gradient *a, size first, size last, void *room, void *sums)
{
    int channels = a->x.channels, blocks = a->dy.channels / NR;
    size matrix = (size)blocks * channels * NR, down = ACROSS * matrix;
    for (size block = first; block < last; block++)
        for (int c = 0; c < channels; c++) {
            const float *u = a->products + (block * channels + c) * NR;
            float lanes[9][NR];
            for (int l = 0; l < NR; l += W) {
                vec t[3][ACROSS];
                for (int j = 0; j < ACROSS; j++) {
                    const float *at = u + j * matrix + l;
#define PUT(i, value) t[i][j] = (value)
                    GATHER_6(load(at), load(at + down), load(at + 2 * down),
                                load(at + 3 * down), load(at + 4 * down), load(at + 5 * down),
                                PUT);
#undef PUT
                }
                for (int i = 0; i < 3; i++) {
#define PUT(j, value) store(lanes[i * 3 + j] + l, value)
                    GATHER_7(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5],
                                  t[i][6], PUT);
#undef PUT
                }
            }
            for (int l = 0; l < NR; l++)
                for (int k = 0; k < 9; k++)
                    a->weight[((block * NR + l) * channels + c) * 9 + k] = lanes[k][l];
        }
}
