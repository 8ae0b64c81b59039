/* The product of matrices that all convolutions of these kernels come down to.
 *
 * Order of sums. A sum of 512 terms in one long chain would have a larger rounding error than all
 * the rest together: RUN terms are added in registers, these sums by GROUPs, and those to the
 * whole.
 */
#include "plane.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define MR (REGISTERS == 32 ? 14 : 6)      /* rows of a block in registers: MR x 2 vectors */
#define NR (2 * W)
#ifndef RUN                        /* who transforms its terms needs shorter sums */
#define RUN 64                     /* terms summed in registers before they are added up */
#define GROUP 256                  /* terms added up so before these sums are */
#endif

/* Rows of whole blocks. */
static inline size filled(size rows) { return (rows + MR - 1) / MR * MR; }

int block_outputs(void) { return NR; }
int block_rows(void) { return MR; }

static inline vec positive(vec a) { return (vec)((mask)a & ~(a < 0)); }

/* sum + a b. Where a and b hold pairs, two numbers in bfloat16 in the memory of each float: sum plus
 * both products; only for processors with an instruction for that.
 */
INLINE vec add_product(vec sum, float a, vec b, int pairs)
{
#ifdef __AVX512BF16__
    if (pairs)
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)b, (__m512bh)_mm512_set1_ps(a));
#endif
    return sum + a * b;
}

/* out[r][0..NR) = sum over k of a[k / W][r][k % W] b[k][0..NR), for `rows` of MR rows. Sums of
 * RUN terms are added up to those of a GROUP, and these to the whole: the rounding errors of one
 * long sum would be most of a convolution's.
 *
 * ahead: memory that is read after this block. The cache is told of a line of it for each term:
 * all at once would hold up the loads of the product itself, and later would be late. It may lie
 * beyond what there is, as nothing is read. more: add the sums to what `out` has already.
 * vectors: how many of the two of b are computed. pairs: whether a and b hold pairs.
 */
static inline __attribute__((always_inline))
void part_of_block(int rows, int vectors, int pairs, const float *a, const float *b, int k,
                   float *out, size step, const float *ahead, int more)
{
    float near[MR * NR];
    for (int done = 0; done < k; done += RUN) {
        int stop = done + RUN < k ? done + RUN : k, first = done % GROUP == 0;
        int last = stop == k || stop % GROUP == 0;
        vec sum[MR][2];
        UNROLL
        for (int r = 0; r < MR; r++)
            sum[r][0] = sum[r][1] = (vec){0};
        for (int kk = done; kk < stop; kk += W, a += MR * W)
            for (int i = 0; i < W; i++, b += NR, ahead += 16) {
                __builtin_prefetch(ahead, 0, 2);
                vec b0 = load(b), b1 = vectors > 1 ? load(b + W) : b0;
                UNROLL
                for (int r = 0; r < MR; r++) {
                    if (r >= rows)
                        break;
                    float v = a[r * W + i];
                    sum[r][0] = add_product(sum[r][0], v, b0, pairs);
                    if (vectors > 1)
                        sum[r][1] = add_product(sum[r][1], v, b1, pairs);
                }
            }
        UNROLL
        for (int r = 0; r < MR; r++) {
            if (r >= rows)
                break;
            for (int half = 0; half < vectors; half++) {
                float *group = near + r * NR + half * W, *to = out + r * step + half * W;
                vec value = sum[r][half];
                if (!first)
                    value += load(group);
                if (last && (more || done >= GROUP))
                    value += load(to);
                store(last ? to : group, value);
            }
        }
    }
}

static inline __attribute__((always_inline))
void block(int rows, const float *a, const float *b, int k, float *out, size step,
           const float *ahead, int more)
{
    part_of_block(rows, 2, 0, a, b, k, out, step, ahead, more);
}

/* few: only the first vector of b is asked for. more: as above. */
static inline void some_rows(int rows, const float *a, const float *b, int k, float *out, size step,
                             const float *ahead, int few, int more)
{
    int most = rows > MR / 2;      /* the rest of a block is computed and not read */
    if (most && few)
        part_of_block(MR, 1, 0, a, b, k, out, step, ahead, more);
    else if (few)
        part_of_block(MR / 2, 1, 0, a, b, k, out, step, ahead, more);
    else if (most)
        block(MR, a, b, k, out, step, ahead, more);
    else
        block(MR / 2, a, b, k, out, step, ahead, more);
}
