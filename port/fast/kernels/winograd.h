/* Winograd's F(4x4, 3x3) (Lavin and Gray, 2016): its points and its transforms.
 *
 * How it works. Take one axis: 4 outputs of a kernel of 3 read 6 inputs. To multiply a polynomial
 * of degree 3 by one of degree 2 one may evaluate both at 6 points, multiply the values point by
 * point, and find the product from its 6 values; the coefficients are never multiplied with one
 * another. A convolution is the transpose of such a product: inputs are transformed (FORWARD),
 * multiplied one by one with transformed weights, and transformed back (BACK), 6 products in place
 * of 12. Along both axes that is 36 in place of 144. Transforms are done once for a channel of a
 * tile and serve all outputs, so nearly all work is the products: one matrix product a point.
 *
 * Which points. Along rows 0, A, -A, B, -B and infinity with A = sqrt(1/2) and B = sqrt(2). (With
 * the usual 0, 1, -1, 2, -2 and infinity powers go up to 8, here to 2.8, and the error is four
 * tenths.) Along columns the same; but of layers of few channels, the first ones, whose errors grow
 * on their way, 0, 1, -1, i, -i and infinity (Meng and Brothers, 2019), whose transforms only add
 * and subtract, with four tenths of that error again. The values at i are complex; those at -i are
 * their conjugates and need no work, and one complex product is three real ones: with x = a + b i
 * and w = c + d i, from a (c - d), ... as EVALUATE_7 and BACK_7 have it. That makes 7 products
 * along columns and 42 a tile.
 *
 * Holes. With a dilation of d every d-th output reads every d-th input alone: d x d ordinary
 * convolutions lie between one another. A tile's outputs are then d apart, and so are its inputs.
 */
#define RUN 32                     /* as in products.h; sums half as long are a fifth more precise */
#define GROUP 128
#include "products.h"

#define DOWN 6                     /* products along rows, for 4 outputs from 6 inputs */
#define MOST 7                     /* and at most along columns: `across` says how many */
#define A 0.70710678118654752f     /* six points: 0, A, -A, B, -B, infinity */
#define B 1.41421356237309505f
#define APART 16                   /* floats between matrices: see matrix_size */

/* How far one of the matrices lies from the next. A multiple of the cache's period would have
 * the values of a tile, which are written and read together, drive one another out of it.
 */
int floats_apart(void) { return APART; }
INLINE size matrix_size(size values) { return values + APART; }

#define FORWARD_6(x0, x1, x2, x3, x4, x5, y) do {                                            \
    vec near = x4 - 2 * x2, odd_near = A * (x3 - 2 * x1);                                    \
    vec far = x4 - 0.5f * x2, odd_far = B * (x3 - 0.5f * x1);                                \
    y(0, x0 + x4 - 2.5f * x2); y(1, near + odd_near); y(2, near - odd_near);                 \
    y(3, far + odd_far); y(4, far - odd_far); y(5, x1 + x5 - 2.5f * x3); } while (0)

#define FORWARD_7(x0, x1, x2, x3, x4, x5, y) do {                                            \
    vec even = x4 + x2, odd = x3 + x1, real = x4 - x2, imaginary = x3 - x1;                  \
    y(0, x0 - x4); y(1, even + odd); y(2, even - odd); y(3, real + imaginary); y(4, real);   \
    y(5, imaginary); y(6, x5 - x1); } while (0)

/* Transform the 6 x 6 inputs of one tile, W channels at a time, into a matrix a point. between:
 * floats from one W channels' place in a matrix to the next's. inside: whether all of the tile lies
 * in x.
 */
INLINE void tile_in(const Plane *x, const float *image, int top, int left, int step, float *v,
                    size matrix, size between, int across, int inside)
{
    for (int c = 0; c < x->channels; c += W, v += between) {
        vec t[DOWN][6];
        for (int j = 0; j < 6; j++) {
            vec in[6];
            int column = left + j * step, there = inside || (column >= 0 && column < x->width);
            UNROLL
            for (int i = 0; i < 6; i++) {
                int row = top + i * step;
                in[i] = there && (inside || (row >= 0 && row < x->height))
                    ? load(image + row * x->row + (size)column * x->channels + c) : (vec){0};
            }
#define PUT(i, value) t[i][j] = (value)
            FORWARD_6(in[0], in[1], in[2], in[3], in[4], in[5], PUT);
#undef PUT
        }
        UNROLL
        for (int i = 0; i < DOWN; i++) {
#define PUT(j, value) store(v + (i * across + j) * matrix, value)
            if (across == 7)
                FORWARD_7(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT);
            else
                FORWARD_6(t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT);
#undef PUT
        }
    }
}

/* Where tiles lie: the image, and the first row and column of outputs, of each of those of a batch,
 * row by row.
 */
typedef struct {
    size image;
    int row, column;
} Tile;

INLINE Tile tile_at(size tile, int high, int wide, const int *rows, const int *columns)
{
    size rest = tile % ((size)wide * high);
    return (Tile){tile / ((size)wide * high), rows[rest / wide], columns[rest % wide]};
}

/* Transform the inputs of a tile of outputs: they begin `top` rows and `left` columns before it. */
INLINE void inputs_in(const Plane *x, Tile tile, int top, int left, int step, float *v, size matrix,
                      size between, int across)
{
    int row = tile.row - top, column = tile.column - left, span = 5 * step + 1;
    int inside = row >= 0 && column >= 0 && row + span <= x->height && column + span <= x->width;
    const float *image = x->data + tile.image * x->image;
    if (inside && step == 1)
        tile_in(x, image, row, column, 1, v, matrix, between, across, 1);
    else
        tile_in(x, image, row, column, step, v, matrix, between, across, inside);
}

#define BACK_6(m0, m1, m2, m3, m4, m5, y) do {                                               \
    vec near = (m1) + (m2), odd_near = A * ((m1) - (m2));                                    \
    vec far = (m3) + (m4), odd_far = B * ((m3) - (m4));                                      \
    y(0, (m0) + near + far); y(1, odd_near + odd_far); y(2, 0.5f * near + 2 * far);          \
    y(3, 0.5f * odd_near + 2 * odd_far + (m5)); } while (0)

#define BACK_7(m0, m1, m2, m3, m4, m5, m6, y) do {                                           \
    vec even = (m1) + (m2), odd = (m1) - (m2), real = (m3) - (m5), imaginary = (m3) + (m4);  \
    y(0, (m0) + even + real); y(1, odd - imaginary); y(2, even - real);                      \
    y(3, odd + imaginary + (m6)); } while (0)

/* From 3 weights to the values at the points. */
#define EVALUATE_6(x0, x1, x2, y) do {                                                       \
    vec near = (x0) + 0.5f * (x2), odd_near = A * (x1);                                      \
    vec far = (x0) + 2 * (x2), odd_far = B * (x1);                                           \
    y(0, x0); y(1, (near + odd_near) / -1.5f); y(2, (near - odd_near) / -1.5f);              \
    y(3, (far + odd_far) / 6); y(4, (far - odd_far) / 6); y(5, x2); } while (0)

#define EVALUATE_7(x0, x1, x2, y) do {                                                       \
    vec ends = (x0) + (x2), apart = (x0) - (x2);                                             \
    y(0, x0); y(1, 0.25f * (ends + (x1))); y(2, 0.25f * (ends - (x1))); y(3, 0.5f * apart);  \
    y(4, 0.5f * ((x1) - apart)); y(5, 0.5f * ((x1) + apart)); y(6, x2); } while (0)
