/* The permutohedral lattice and the mean field (lattice.py and mean_field.py say what they are).
 *
 * Every kernel works on a range first..last, so that threads can share it without meeting: each
 * result is written by one thread, in the same order of sums whatever the number of threads.
 * Rows of classes are padded to a multiple of L floats.
 */
#include <stddef.h>
#include <stdint.h>

#define L 8
#define MOST 16                                 /* axes of a feature, at most */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")
/* Rounds a product before it is added: the vertices must not depend on the processor's FMA. */
#define ROUNDED(v) __asm__("" : "+m"(v))

typedef float vec __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef ptrdiff_t size;

INLINE vec nearest(vec v) {                     /* halves to even; good to 2^22 */
    const float magic = 12582912;
    return (v + magic) - magic;
}

/* -- which vertices a point lies between, and how near each --------------------------------- */

typedef struct { int axes; float scale[MOST]; int64_t stride[MOST]; } Space;

/* features: axes x count. codes, weights: points x (axes + 1); points beyond count are zeros. */
static void embed_block(const Space *space, const float *features, size count, size at,
                        int points, int64_t *codes, float *weights) {
    const int real = count - at < points ? (int)(count - at) : points;
    const int d = space->axes;
    const float inverse = 1.0f / (d + 1);
    vec up[MOST + 1], near[MOST + 1], rest[MOST + 1], sum = {0}, surplus = {0};
    ints rank[MOST + 1];
    for (int j = d; j > 0; j--) {
        vec f = {0};
        for (int i = 0; i < real; i++) f[i] = features[(j - 1) * count + at + i];
        vec part = f * space->scale[j - 1], times;
        ROUNDED(part);
        times = part * (float)j;
        ROUNDED(times);
        up[j] = sum - times;
        sum += part;
    }
    up[0] = sum;
    for (int i = 0; i <= d; i++) {
        vec part = up[i] * inverse;
        ROUNDED(part);
        vec whole = nearest(part);
        surplus += whole;
        near[i] = whole * (float)(d + 1);
        rest[i] = up[i] - near[i];
        rank[i] = (ints){0};
    }
    for (int i = 0; i < d; i++)
        for (int j = i + 1; j <= d; j++) {
            ints below = rest[i] < rest[j];     /* -1 where it is */
            rank[i] -= below;
            rank[j] += 1 + below;
        }
    for (int i = 0; i <= d; i++) {
        rank[i] += __builtin_convertvector(surplus, ints);
        ints turn = (rank[i] > d) - (rank[i] < 0);      /* +1 where too low, -1 too high */
        rank[i] += turn * (d + 1);
        near[i] += __builtin_convertvector(turn * (d + 1), vec);
        rest[i] = (up[i] - near[i]) * inverse;
    }
    int64_t all = 0;
    for (int i = 0; i < d; i++) all += space->stride[i];
    for (int p = 0; p < points; p++) {
        float by_rank[MOST + 1];
        int64_t turn[MOST + 1], code = 0;
        for (int i = 0; i <= d; i++) {
            int64_t stride = i < d ? space->stride[i] : 0;
            by_rank[rank[i][p]] = rest[i][p];
            turn[rank[i][p]] = stride * (d + 1);
            code += stride * (int64_t)near[i][p];
        }
        for (int r = 0; r <= d; r++) {
            *codes++ = code;
            *weights++ = r ? by_rank[d - r] - by_rank[d - r + 1]
                           : by_rank[d] + (1 - by_rank[0]);
            code += all - turn[d - r];
        }
    }
}

void embed(const Space *space, const float *features, size count, int64_t *codes, float *weights,
           size first, size last) {        /* last: up to count, made a whole number of groups */
    const size corners = space->axes + 1;
    for (size at = first; at < last; at += L)
        embed_block(space, features, count, at, last - at < L ? (int)(last - at) : L,
                    codes + at * corners, weights + at * corners);
}

/* -- numbers of vertices: a table that the caller makes larger when told to ------------------ */

typedef struct { int64_t code, number; } Slot;          /* number -1: free */
typedef struct { Slot *slots; int bits; } Table;

INLINE Slot *slot_of(const Table *table, int64_t code) {
    const size mask = ((size)1 << table->bits) - 1;
    size at = (size)((uint64_t)code * 0x9E3779B97F4A7C15u >> (64 - table->bits));
    while (table->slots[at].number >= 0 && table->slots[at].code != code) at = (at + 1) & mask;
    return table->slots + at;
}

void fill_table(const Table *table, const int64_t *vertices, size known) {
    for (size i = 0; i < (size)1 << table->bits; i++) table->slots[i].number = -1;
    for (size i = 0; i < known; i++) *slot_of(table, vertices[i]) = (Slot){vertices[i], i};
}

/* Number the codes of points `from`..count; return the point at which the table is half full. */
size number(const Table *table, const int64_t *codes, int corners, size from, size count,
            int32_t *ids, int64_t *vertices, size *known) {
    const size limit = ((size)1 << table->bits) / 2 - corners;
    for (size p = from; p < count; p++) {
        if (*known > limit) return p;
        for (int r = 0; r < corners; r++) {
            const size at = p * corners + r;
            if (p > from && codes[at] == codes[at - corners]) {
                ids[at] = ids[at - corners];
                continue;
            }
            Slot *slot = slot_of(table, codes[at]);
            if (slot->number < 0) {
                *slot = (Slot){codes[at], *known};
                vertices[(*known)++] = codes[at];
            }
            ids[at] = (int32_t)slot->number;
        }
    }
    return count;
}

/* pairs: axes x vertices x 2; a neighbour that does not exist is number `vertices`. */
void find_neighbours(const Table *table, const int64_t *vertices, size count, int corners,
                     const int64_t *steps, int32_t *pairs, size first, size last) {
    for (int axis = 0; axis < corners; axis++)
        for (size i = first; i < last; i++)
            for (int side = 0; side < 2; side++) {
                int64_t code = vertices[i] + (side ? -steps[axis] : steps[axis]);
                int64_t found = slot_of(table, code)->number;
                pairs[2 * (axis * count + i) + side] = (int32_t)(found < 0 ? count : found);
            }
}

void count_points(const int32_t *ids, size count, size *counts) {
    for (size i = 0; i < count; i++) counts[ids[i]]++;
}

typedef struct { int32_t point; float share; } Member;

/* Turn "the vertices of each point" round into "the points of each vertex", in order. next holds
 * where each vertex's points begin, and is moved on to where they end. */
void turn_round(const int32_t *ids, const float *weights, size points, int corners, size *next,
                Member *members) {
    for (size p = 0; p < points; p++)
        for (int r = 0; r < corners; r++)
            members[next[ids[p * corners + r]]++] = (Member){(int32_t)p, weights[p * corners + r]};
}

/* -- one value a point: for the normalisation ------------------------------------------------ */

void splat_ones(const size *starts, const Member *members, float *values, size first, size last) {
    for (size v = first; v < last; v++) {
        float sum = 0;
        for (size k = starts[v]; k < starts[v + 1]; k++) sum += members[k].share;
        values[v] = sum;
    }
}

void blur_ones(const int32_t *pairs, const float *old, float *blurred, size first, size last) {
    for (size v = first; v < last; v++)
        blurred[v] = old[v] + 0.5f * (old[pairs[2 * v]] + old[pairs[2 * v + 1]]);
}

void slice_ones(const int32_t *ids, const float *weights, int corners, const float *values,
                float *sums, size first, size last) {
    for (size p = first; p < last; p++) {
        float sum = 0;
        for (int r = 0; r < corners; r++)
            sum += weights[p * corners + r] * values[ids[p * corners + r]];
        sums[p] = sum;
    }
}

/* -- rows of classes ------------------------------------------------------------------------- */

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }

INLINE void splat_rows(const size *starts, const Member *members, const float *q, float *values,
                       size row, int n, size first, size last) {
    for (size v = first; v < last; v++) {
        vec sum[4] = {{0}};
        for (size k = starts[v]; k < starts[v + 1]; k++) {
            const float *from = q + members[k].point * row;
            const float share = members[k].share;
            UNROLL for (int i = 0; i < n; i++) sum[i] += load(from + i * L) * share;
        }
        UNROLL for (int i = 0; i < n; i++) store(values + v * row + i * L, sum[i]);
    }
}

INLINE void blur_rows(const int32_t *pairs, const float *old, float *blurred, size row, int n,
                      size first, size last) {
    for (size v = first; v < last; v++) {
        const float *a = old + pairs[2 * v] * row, *b = old + pairs[2 * v + 1] * row;
        UNROLL for (int i = 0; i < n; i++)
            store(blurred + v * row + i * L,
                  load(old + v * row + i * L) + 0.5f * (load(a + i * L) + load(b + i * L)));
    }
}

/* A row is worked on in parts of at most four vectors, which stay in registers. */
#define PARTS(CALL)                                                                  \
    for (size part = 0; part < row; part += 4 * L)                                   \
        switch (row - part < 4 * L ? (row - part) / L : 4) {                         \
            case 1: CALL(1); break;                                                  \
            case 2: CALL(2); break;                                                  \
            case 3: CALL(3); break;                                                  \
            default: CALL(4);                                                        \
        }

void splat(const size *starts, const Member *members, const float *q, float *values, size row,
           size first, size last) {
#define CALL(n) splat_rows(starts, members, q + part, values + part, row, n, first, last)
    PARTS(CALL)
#undef CALL
}

void blur(const int32_t *pairs, const float *old, float *blurred, size row, size first,
          size last) {
#define CALL(n) blur_rows(pairs, old + part, blurred + part, row, n, first, last)
    PARTS(CALL)
#undef CALL
}

typedef struct { const int32_t *ids; const float *weights, *values; int corners; } Term;

INLINE void slice_rows(const Term *terms, int count, const float *scores, float *next, size part,
                       size row, int n, size first, size last) {
    for (size p = first; p < last; p++) {
        vec sum[4];
        UNROLL for (int i = 0; i < n; i++) sum[i] = load(scores + p * row + part + i * L);
        for (int t = 0; t < count; t++) {
            const int32_t *ids = terms[t].ids + p * terms[t].corners;
            const float *weights = terms[t].weights + p * terms[t].corners;
            for (int r = 0; r < terms[t].corners; r++) {
                const float *from = terms[t].values + ids[r] * row + part;
                UNROLL for (int i = 0; i < n; i++) sum[i] += load(from + i * L) * weights[r];
            }
        }
        UNROLL for (int i = 0; i < n; i++) store(next + p * row + part + i * L, sum[i]);
    }
}

INLINE vec larger(vec a, vec b) {
    ints which = a > b;
    return (vec)(((ints)a & which) | ((ints)b & ~which));
}

/* e^x for -20 <= x <= 0, to 2e-7 of it; 0 below, as the authors' has it; nan stays nan. */
INLINE vec exponential(vec x) {
    vec turns = nearest(x * 1.44269504f);
    vec r = (x - turns * 0.693359375f) + turns * 2.12194440e-4f;
    vec e = r * (1 / 720.f) + 1 / 120.f;
    e = e * r + 1 / 24.f;
    e = e * r + 1 / 6.f;
    e = e * r + 0.5f;
    e = e * r + 1;
    e = e * r + 1;
    e *= (vec)((__builtin_convertvector(turns, ints) + 127) << 23);
    return (vec)((ints)e & ~(x < -20.0f));
}

INLINE void softmax_row(const float *in, float *out, size row) {
    vec most = load(in), sum = {0};
    for (size i = L; i < row; i += L) most = larger(load(in + i), most);
    float top = most[0], total = 0;
    UNROLL for (int i = 1; i < L; i++) top = most[i] > top ? most[i] : top;
    for (size i = 0; i < row; i += L) {
        vec e = exponential(load(in + i) - top);
        store(out + i, e);
        sum += e;
    }
    UNROLL for (int i = 0; i < L; i++) total += sum[i];
    for (size i = 0; i < row; i += L) store(out + i, load(out + i) / total);
}

/* q = softmax(scores + what each term says), the terms' values being blurred. */
void slice_softmax(const Term *terms, int count, const float *scores, float *q, size row,
                   size first, size last) {
    enum { BLOCK = 64 };
    for (size p = first; p < last; p += BLOCK) {
        size end = last - p < BLOCK ? last : p + BLOCK;
#define CALL(n) slice_rows(terms, count, scores, q, part, row, n, p, end)
        PARTS(CALL)
#undef CALL
        for (size i = p; i < end; i++) softmax_row(q + i * row, q + i * row, row);
    }
}

/* -- classes x points, and points x row of classes ------------------------------------------- */

void to_rows(const float *planes, size count, int classes, float *rows, size row, float beyond,
             size first, size last) {
    enum { BLOCK = 16 };
    for (size p = first; p < last; p += BLOCK) {
        size end = last - p < BLOCK ? last : p + BLOCK;
        for (int c = 0; c < classes; c++)
            for (size i = p; i < end; i++) rows[i * row + c] = planes[c * count + i];
        for (size c = classes; c < row; c++)
            for (size i = p; i < end; i++) rows[i * row + c] = beyond;
    }
}

void to_planes(const float *rows, size row, float *planes, size count, int classes, size first,
               size last) {
    enum { BLOCK = 16 };
    for (size p = first; p < last; p += BLOCK) {
        size end = last - p < BLOCK ? last : p + BLOCK;
        for (int c = 0; c < classes; c++)
            for (size i = p; i < end; i++) planes[c * count + i] = rows[i * row + c];
    }
}
