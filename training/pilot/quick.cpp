// The parts of a training step that PyTorch is slow at on a processor with AVX-512 or AMX: attention with its rotary
// embedding, the norms and the gate, each in one pass over memory. The matrix products stay PyTorch's.
// Matrices are row by row; lengths are multiples of 32, a head is 64 wide. `quick.py` compiles and calls this.

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint16_t half;  // bfloat16
static const int HEAD = 64;
static const int BLOCK = 32;  // queries at a time

static inline __m512 wide(const half* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
static inline void narrow(half* p, __m512 x) { _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh(x)); }

static inline __m512 exponential(__m512 x) {
    x = _mm512_max_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _mm512_set1_ps(-126.0f));
    __m512 n = _mm512_roundscale_ps(x, 0), f = _mm512_sub_ps(x, n);
    __m512 y = _mm512_set1_ps(1.3333558e-3f);
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(9.6181291e-3f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(5.5504109e-2f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(2.4022651e-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(6.9314718e-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(y, n);
}

// ---- products of tiles: C (fp32) = or += A (bf16) times B, whose rows stand in pairs as the processor wants them.
// rows, columns, inner: multiples of 32. lda in bf16, ldb in pairs, ldc in floats.

#ifdef __AMX_BF16__
struct alignas(64) Tiles {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

static void product(const half* a, long lda, const uint32_t* b, long ldb, float* c, long ldc, int rows, int columns,
                    int inner, bool add) {
    for (int i = 0; i < rows; i += 32)
        for (int j = 0; j < columns; j += 32) {
            float* at = c + i * ldc + j;
            if (add) {
                _tile_loadd(0, at, ldc * 4);
                _tile_loadd(1, at + 16, ldc * 4);
                _tile_loadd(2, at + 16 * ldc, ldc * 4);
                _tile_loadd(3, at + 16 * ldc + 16, ldc * 4);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (int k = 0; k < inner; k += 32) {
                _tile_loadd(4, a + i * lda + k, lda * 2);
                _tile_loadd(5, a + (i + 16) * lda + k, lda * 2);
                _tile_loadd(6, b + k / 2 * ldb + j, ldb * 4);
                _tile_loadd(7, b + k / 2 * ldb + j + 16, ldb * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, at, ldc * 4);
            _tile_stored(1, at + 16, ldc * 4);
            _tile_stored(2, at + 16 * ldc, ldc * 4);
            _tile_stored(3, at + 16 * ldc + 16, ldc * 4);
        }
}

static bool allowed() { return !syscall(SYS_arch_prctl, 0x1023, 18); }  // asks the kernel for AMX
static void begin_products() {
    Tiles tiles;
    _tile_loadconfig(&tiles);
}
static void end_products() { _tile_release(); }
#else
static const int ROWS = 8;  // with two vectors of columns each: 16 sums, which leaves registers for the factors

static void product(const half* a, long lda, const uint32_t* b, long ldb, float* c, long ldc, int rows, int columns,
                    int inner, bool add) {
    for (int i = 0; i < rows; i += ROWS)
        for (int j = 0; j < columns; j += 32) {
            __m512 sum[ROWS][2];
            for (int r = 0; r < ROWS; r++)
                for (int h = 0; h < 2; h++)
                    sum[r][h] = add ? _mm512_loadu_ps(c + (i + r) * ldc + j + 16 * h) : _mm512_setzero_ps();
            for (int k = 0; k < inner; k += 2) {
                const uint32_t* pairs = b + k / 2 * ldb + j;
                __m512bh left = (__m512bh)_mm512_loadu_si512(pairs), right = (__m512bh)_mm512_loadu_si512(pairs + 16);
                for (int r = 0; r < ROWS; r++) {
                    int pair;
                    memcpy(&pair, a + (i + r) * lda + k, sizeof pair);
                    __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
                    sum[r][0] = _mm512_dpbf16_ps(sum[r][0], both, left);
                    sum[r][1] = _mm512_dpbf16_ps(sum[r][1], both, right);
                }
            }
            for (int r = 0; r < ROWS; r++)
                for (int h = 0; h < 2; h++) _mm512_storeu_ps(c + (i + r) * ldc + j + 16 * h, sum[r][h]);
        }
}

static bool allowed() { return true; }
static void begin_products() {}
static void end_products() {}
#endif

// Rows this far apart fall into different sets of the cache, however long a text is.
static long apart(long length, int in_a_line) { return length / in_a_line % 2 ? length : length + in_a_line; }

static inline __m512i column(const void* x, long stride) {  // the first 32 bits of 16 rows
    const __m512i rows = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_i32gather_epi32(_mm512_mullo_epi32(rows, _mm512_set1_epi32(stride)), x, 4);
}

// pairs[p][n] = (x[n][2p], x[n][2p + 1]): x (n rows of 64) as the second factor of A times x transposed.
static void pair_columns(const half* x, uint32_t* pairs, long ldp, long n) {
    for (long i = 0; i < n; i += 16)
        for (int p = 0; p < HEAD / 2; p++)
            _mm512_storeu_si512(pairs + p * ldp + i, column(x + i * HEAD + 2 * p, HEAD / 2));
}

static void transpose(const half* x, half* y, long ldy, long n) {  // x: n rows of 64; y: 64 rows of n
    for (long i = 0; i < n; i += 16)
        for (int d = 0; d < HEAD; d += 2) {
            __m512i both = column(x + i * HEAD + d, HEAD / 2);
            _mm256_storeu_si256((__m256i*)(y + d * ldy + i), _mm512_cvtepi32_epi16(both));
            _mm256_storeu_si256((__m256i*)(y + (d + 1) * ldy + i), _mm512_cvtepi32_epi16(_mm512_srli_epi32(both, 16)));
        }
}

// pairs[r][c] = (x[2r][c], x[2r + 1][c]): x as the second factor of A times x.
static void pair_rows(const half* x, long ldx, uint32_t* pairs, long ldp, int rows, int columns) {
    for (int r = 0; r < rows; r += 2)
        for (int c = 0; c < columns; c += 16) {
            __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(x + r * ldx + c)));
            __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(x + (r + 1) * ldx + c)));
            _mm512_storeu_si512(pairs + r / 2 * ldp + c, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
}

static inline __m512 turned(__m512 x, const float* cosine, const float* sine, bool back) {
    __m512 swapped = _mm512_mul_ps(_mm512_permute_ps(x, 0xB1), _mm512_loadu_ps(sine));
    __m512 straight = _mm512_mul_ps(x, _mm512_loadu_ps(cosine));
    return back ? _mm512_sub_ps(straight, swapped) : _mm512_add_ps(straight, swapped);
}

// One head's q (scaled), k, v out of the rows of `qkv`.
static void gather(const half* qkv, long stride, int width, int head, long length, const float* cosine,
                   const float* sine, half* q, half* k, half* v) {
    const __m512 scale = _mm512_set1_ps(0.125f);
    for (long t = 0; t < length; t++) {
        const half* row = qkv + t * stride + head * HEAD;
        for (int d = 0; d < HEAD; d += 16) {
            const float *c = cosine + t * HEAD + d, *s = sine + t * HEAD + d;
            narrow(q + t * HEAD + d, _mm512_mul_ps(turned(wide(row + d), c, s, false), scale));
            narrow(k + t * HEAD + d, turned(wide(row + width + d), c, s, false));
        }
        memcpy(v + t * HEAD, row + 2 * width, HEAD * sizeof(half));
    }
}

static bool zero(const half* x, int count) {
    __m512i any = _mm512_setzero_si512();
    for (int i = 0; i < count; i += 32) any = _mm512_or_si512(any, _mm512_loadu_si512(x + i));
    return !_mm512_test_epi32_mask(any, any);
}

struct Space {  // scratch memory, kept between calls
    char* memory = nullptr;
    size_t size = 0, used = 0;
    void need(size_t bytes) {
        used = 0;
        if (bytes <= size) return;
        free(memory);
        memory = (char*)aligned_alloc(64, size = (bytes + 4095) / 4096 * 4096);
    }
    template <class T> T* take(size_t count) {
        T* here = (T*)(memory + used);
        used += (count * sizeof(T) + 63) / 64 * 64;
        return here;
    }
};
static Space space;

static __mmask16 visible(long query, long key) {  // which of the 16 keys from `key` on the query may see
    return query - key >= 15 ? 0xFFFF : query < key ? 0 : (__mmask16)((1u << (query - key + 1)) - 1);
}

extern "C" int quick_begin() { return !allowed(); }

// out (batch * length, width) and lse (batch * length, heads) from qkv (batch * length, 3 * width).
extern "C" void attention(const half* qkv, half* out, float* lse, const float* cosine, const float* sine, long batch,
                          long length, int heads) {
    int width = heads * HEAD;
    const long ld = apart(length, 16), ldh = apart(length, 32);  // of floats and pairs; of halves
    begin_products();
    space.need((length + 32) * (HEAD * 14 + BLOCK * 6) + BLOCK * HEAD * 4 + 4096);
    half *q = space.take<half>(length * HEAD), *k = space.take<half>(length * HEAD), *v = space.take<half>(length * HEAD);
    uint32_t *kt = space.take<uint32_t>(ld * HEAD / 2), *vp = space.take<uint32_t>(length * HEAD / 2);
    float *s = space.take<float>(BLOCK * ld), *o = space.take<float>(BLOCK * HEAD);
    half* p = space.take<half>(BLOCK * ldh);
    for (long b = 0; b < batch; b++)
        for (int h = 0; h < heads; h++) {
            long first = b * length;
            gather(qkv + first * 3 * width, 3 * width, width, h, length, cosine, sine, q, k, v);
            pair_columns(k, kt, ld, length);
            pair_rows(v, HEAD, vp, HEAD, length, HEAD);
            for (long i = 0; i < length; i += BLOCK) {
                int keys = i + BLOCK;
                product(q + i * HEAD, HEAD, kt, ld, s, ld, BLOCK, keys, HEAD, false);
                float scale[BLOCK];
                for (int r = 0; r < BLOCK; r++) {
                    float* row = s + r * ld;
                    __m512 most = _mm512_set1_ps(-1e30f), sum = _mm512_setzero_ps();
                    for (long j = 0; j < keys; j += 16)
                        most = _mm512_mask_max_ps(most, visible(i + r, j), most, _mm512_loadu_ps(row + j));
                    float top = _mm512_reduce_max_ps(most);
                    for (long j = 0; j < keys; j += 16) {
                        __m512 e = _mm512_maskz_mov_ps(
                            visible(i + r, j), exponential(_mm512_sub_ps(_mm512_loadu_ps(row + j), _mm512_set1_ps(top))));
                        sum = _mm512_add_ps(sum, e);
                        narrow(p + r * ldh + j, e);
                    }
                    float total = _mm512_reduce_add_ps(sum);
                    scale[r] = 1 / total;
                    lse[(first + i + r) * heads + h] = top + logf(total);
                }
                product(p, ldh, vp, HEAD, o, HEAD, BLOCK, HEAD, keys, false);
                for (int r = 0; r < BLOCK; r++)
                    for (int d = 0; d < HEAD; d += 16)
                        narrow(out + (first + i + r) * width + h * HEAD + d,
                               _mm512_mul_ps(_mm512_loadu_ps(o + r * HEAD + d), _mm512_set1_ps(scale[r])));
            }
        }
    end_products();
}

// dqkv from dout, with what `attention` was given and gave.
extern "C" void attention_back(const half* qkv, const half* out, const float* lse, const half* dout, half* dqkv,
                               const float* cosine, const float* sine, long batch, long length, int heads) {
    int width = heads * HEAD;
    const long ld = apart(length, 16), ldh = apart(length, 32);
    begin_products();
    space.need((length + 32) * (HEAD * 48 + BLOCK * 20) + BLOCK * HEAD * 8 + 8192);
    half *q = space.take<half>(length * HEAD), *k = space.take<half>(length * HEAD), *v = space.take<half>(length * HEAD);
    half *g = space.take<half>(length * HEAD), *qt = space.take<half>(ldh * HEAD), *gt = space.take<half>(ldh * HEAD);
    uint32_t *kt = space.take<uint32_t>(ld * HEAD / 2), *vt = space.take<uint32_t>(ld * HEAD / 2);
    uint32_t *kp = space.take<uint32_t>(length * HEAD / 2), *pp = space.take<uint32_t>(BLOCK / 2 * ld);
    float *dkt = space.take<float>(ld * HEAD), *dvt = space.take<float>(ld * HEAD);
    float *s = space.take<float>(BLOCK * ld), *dp = space.take<float>(BLOCK * ld);
    half *p = space.take<half>(BLOCK * ldh), *ds = space.take<half>(BLOCK * ldh);
    float* dq = space.take<float>(BLOCK * HEAD);
    for (long b = 0; b < batch; b++)
        for (int h = 0; h < heads; h++) {
            long first = b * length;
            gather(qkv + first * 3 * width, 3 * width, width, h, length, cosine, sine, q, k, v);
            for (long t = 0; t < length; t++)
                memcpy(g + t * HEAD, dout + (first + t) * width + h * HEAD, HEAD * sizeof(half));
            pair_columns(k, kt, ld, length);
            pair_columns(v, vt, ld, length);
            pair_rows(k, HEAD, kp, HEAD, length, HEAD);
            transpose(q, qt, ldh, length);
            transpose(g, gt, ldh, length);
            memset(dkt, 0, ld * HEAD * sizeof(float));
            memset(dvt, 0, ld * HEAD * sizeof(float));
            half* head = dqkv + first * 3 * width + h * HEAD;
            for (long i = 0; i < length; i += BLOCK) {
                int keys = i + BLOCK;
                if (zero(g + i * HEAD, BLOCK * HEAD)) {  // nothing flows back to these queries
                    for (int r = 0; r < BLOCK; r++) memset(head + (i + r) * 3 * width, 0, HEAD * sizeof(half));
                    continue;
                }
                product(q + i * HEAD, HEAD, kt, ld, s, ld, BLOCK, keys, HEAD, false);
                product(g + i * HEAD, HEAD, vt, ld, dp, ld, BLOCK, keys, HEAD, false);
                for (int r = 0; r < BLOCK; r++) {
                    const half* o = out + (first + i + r) * width + h * HEAD;
                    __m512 sum = _mm512_setzero_ps();
                    for (int d = 0; d < HEAD; d += 16)
                        sum = _mm512_fmadd_ps(wide(o + d), wide(g + (i + r) * HEAD + d), sum);
                    __m512 delta = _mm512_set1_ps(_mm512_reduce_add_ps(sum));
                    __m512 shift = _mm512_set1_ps(lse[(first + i + r) * heads + h]);
                    for (long j = 0; j < keys; j += 16) {
                        __m512 e = _mm512_maskz_mov_ps(
                            visible(i + r, j), exponential(_mm512_sub_ps(_mm512_loadu_ps(s + r * ld + j), shift)));
                        narrow(p + r * ldh + j, e);
                        narrow(ds + r * ldh + j,
                               _mm512_mul_ps(e, _mm512_sub_ps(_mm512_loadu_ps(dp + r * ld + j), delta)));
                    }
                }
                product(ds, ldh, kp, HEAD, dq, HEAD, BLOCK, HEAD, keys, false);
                for (int r = 0; r < BLOCK; r++)
                    for (int d = 0; d < HEAD; d += 16) {
                        const float *c = cosine + (i + r) * HEAD + d, *n = sine + (i + r) * HEAD + d;
                        __m512 x = _mm512_mul_ps(_mm512_loadu_ps(dq + r * HEAD + d), _mm512_set1_ps(0.125f));
                        narrow(head + (i + r) * 3 * width + d, turned(x, c, n, true));
                    }
                pair_rows(p, ldh, pp, ld, BLOCK, keys);
                product(gt + i, ldh, pp, ld, dvt, ld, HEAD, keys, BLOCK, true);
                pair_rows(ds, ldh, pp, ld, BLOCK, keys);
                product(qt + i, ldh, pp, ld, dkt, ld, HEAD, keys, BLOCK, true);
            }
            for (long t = 0; t < length; t++)
                for (int d = 0; d < HEAD; d += 16) {
                    __m512 x = _mm512_castsi512_ps(column(dkt + d * ld + t, ld));
                    narrow(head + t * 3 * width + width + d,
                           turned(x, cosine + t * HEAD + d, sine + t * HEAD + d, true));
                    narrow(head + t * 3 * width + 2 * width + d, _mm512_castsi512_ps(column(dvt + d * ld + t, ld)));
                }
        }
    end_products();
}

// x += more (where there is some); unit = x / rms(x), inverse = 1 / rms(x).
extern "C" void norm(float* x, const half* more, half* unit, float* inverse, long rows, int width, float epsilon) {
    for (long i = 0; i < rows; i++) {
        float* row = x + i * width;
        __m512 sum = _mm512_setzero_ps();
        for (int d = 0; d < width; d += 16) {
            __m512 y = _mm512_loadu_ps(row + d);
            if (more) _mm512_storeu_ps(row + d, y = _mm512_add_ps(y, wide(more + i * width + d)));
            sum = _mm512_fmadd_ps(y, y, sum);
        }
        inverse[i] = 1 / sqrtf(_mm512_reduce_add_ps(sum) / width + epsilon);
        for (int d = 0; d < width; d += 16)
            narrow(unit + i * width + d, _mm512_mul_ps(_mm512_loadu_ps(row + d), _mm512_set1_ps(inverse[i])));
    }
}

// dx += what flows back through the norm; `low` is dx as bf16.
extern "C" void norm_back(float* dx, half* low, const half* dunit, const half* unit, const float* inverse, long rows,
                          int width) {
    for (long i = 0; i < rows; i++) {
        const half *u = unit + i * width, *g = dunit + i * width;
        __m512 sum = _mm512_setzero_ps();
        for (int d = 0; d < width; d += 16) sum = _mm512_fmadd_ps(wide(u + d), wide(g + d), sum);
        __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width), scale = _mm512_set1_ps(inverse[i]);
        for (int d = 0; d < width; d += 16) {
            __m512 y = _mm512_mul_ps(_mm512_fnmadd_ps(wide(u + d), mean, wide(g + d)), scale);
            y = _mm512_add_ps(y, _mm512_loadu_ps(dx + i * width + d));
            _mm512_storeu_ps(dx + i * width + d, y);
            narrow(low + i * width + d, y);
        }
    }
}

static inline __m512 sigmoid(__m512 x) {
    __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(one, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// act = silu(gate) * up; a row of `both` is gate, then up.
extern "C" void gate(const half* both, half* act, long rows, int inner) {
    for (long i = 0; i < rows; i++)
        for (int d = 0; d < inner; d += 16) {
            __m512 g = wide(both + i * 2 * inner + d), u = wide(both + (i * 2 + 1) * inner + d);
            narrow(act + i * inner + d, _mm512_mul_ps(_mm512_mul_ps(g, sigmoid(g)), u));
        }
}

extern "C" void gate_back(const half* both, const half* dact, half* dboth, long rows, int inner) {
    for (long i = 0; i < rows; i++)
        for (int d = 0; d < inner; d += 16) {
            __m512 g = wide(both + i * 2 * inner + d), u = wide(both + (i * 2 + 1) * inner + d);
            __m512 y = wide(dact + i * inner + d), s = sigmoid(g), silu = _mm512_mul_ps(g, s);
            // d silu = s * (1 + g * (1 - s)) = s + silu - silu * s
            __m512 slope = _mm512_fnmadd_ps(silu, s, _mm512_add_ps(s, silu));
            narrow(dboth + i * 2 * inner + d, _mm512_mul_ps(_mm512_mul_ps(y, u), slope));
            narrow(dboth + (i * 2 + 1) * inner + d, _mm512_mul_ps(y, silu));
        }
}
