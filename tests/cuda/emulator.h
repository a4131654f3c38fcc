// Runs CUDA C++ kernels on the CPU: one fiber per CUDA thread, one block after another. g++ includes this header before
// an unmodified .cu source (-include emulator.h); NVRTC never sees it. The scheduler is in emulator_runtime.cpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <typeinfo>
#include <utility>
#include <vector>
#define EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __constant__
#define __shared__ static
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define DYNAMIC_SHARED(T, name) T* name = (T*)emulator_dynamic_shared()  // GPU: extern __shared__ T name[]
#define EMULATOR_FN static inline __attribute__((no_sanitize("thread")))

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

extern "C" {
extern uint3 emulator_thread, emulator_block;
extern dim3 emulator_block_dim, emulator_grid_dim;
extern uint64_t emulator_n_blocks;                        // blocks begun so far, of all launches
void emulator_syncthreads(int line);
int emulator_sync_count(int line, int predicate);
void* emulator_warp_slot(unsigned mask);                  // this lane's 128-byte slot of the current phase
void emulator_warp_sync(unsigned mask, int line);         // all lanes of mask arrive; then their slots are readable
void* emulator_warp_peer(unsigned mask, int lane);        // a lane's slot of the phase just completed
int emulator_lane();
unsigned emulator_peer_mask();                            // the lanes that took part in that phase
void* emulator_dynamic_shared();
void emulator_atomic(void* p, int size);                  // tells the race checker
void emulator_register(const char* name, void (*thunk)(void**), const char* signature);
}
#define threadIdx emulator_thread
#define blockIdx emulator_block
#define blockDim emulator_block_dim
#define gridDim emulator_grid_dim
constexpr int warpSize = 32;

// Barriers. Each carries its source line: threads that meet at different lines are an error.
#define __syncthreads() emulator_syncthreads(__LINE__)
#define __syncthreads_count(p) emulator_sync_count(__LINE__, (p) != 0)
EMULATOR_FN void emulator_syncwarp(int line, unsigned mask = 0xffffffffu)
{
    emulator_warp_slot(mask);
    emulator_warp_sync(mask, line);
}
#define __syncwarp(...) emulator_syncwarp(__LINE__ __VA_OPT__(, ) __VA_ARGS__)

// Warp shuffles and votes: every lane leaves its value in its slot, all arrive, then the wanted slot is read.
template <class T>
EMULATOR_FN T emulator_shuffle(int line, unsigned mask, T value, int source, int lane, int width)
{
    static_assert(sizeof(T) <= 16, "shuffle type");
    memcpy(emulator_warp_slot(mask), &value, sizeof(T));
    emulator_warp_sync(mask, line);
    if (source / width != lane / width || source < 0) source = lane;  // out of the segment: own value
    T result;
    memcpy(&result, emulator_warp_peer(mask, source), sizeof(T));
    return result;
}
template <class T> EMULATOR_FN T emulator_shuffle_down(int line, unsigned mask, T value, unsigned delta, int width = 32)
{
    const int lane = emulator_lane();
    return emulator_shuffle(line, mask, value, lane + (int)delta, lane, width);
}
template <class T> EMULATOR_FN T emulator_shuffle_xor(int line, unsigned mask, T value, int bits, int width = 32)
{
    const int lane = emulator_lane();
    return emulator_shuffle(line, mask, value, lane ^ bits, lane, width);
}
template <class T> EMULATOR_FN T emulator_shuffle_index(int line, unsigned mask, T value, int source, int width = 32)
{
    const int lane = emulator_lane();
    return emulator_shuffle(line, mask, value, lane / width * width + (source & (width - 1)), lane, width);
}
#define __shfl_down_sync(...) emulator_shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) emulator_shuffle_xor(__LINE__, __VA_ARGS__)
#define __shfl_sync(...) emulator_shuffle_index(__LINE__, __VA_ARGS__)
EMULATOR_FN unsigned emulator_ballot(int line, unsigned mask, int predicate)
{
    *(int*)emulator_warp_slot(mask) = predicate != 0;
    emulator_warp_sync(mask, line);
    unsigned result = 0;
    for (int i = 0; i < 32; ++i)
        if (emulator_peer_mask() >> i & 1) result |= (unsigned)*(int*)emulator_warp_peer(mask, i) << i;
    return result;
}
#define __ballot_sync(mask, p) emulator_ballot(__LINE__, mask, p)

// A warp's product of tiles, as the sources' own wrapper of mma.sync asks for it: d[16 x 8] += a[16 x 8 words] · b[8
// words x 8], a word one number in TF32 or two in BF16. Lane 4g + t holds a (g, t), (g + 8, t), (g, t + 4), (g + 8, t +
// 4), b (t, g), (t + 4, g) and d (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
EMULATOR_FN unsigned emulator_bits(float x) { unsigned r; memcpy(&r, &x, 4); return r; }
EMULATOR_FN float emulator_number(unsigned bits) { float r; memcpy(&r, &bits, 4); return r; }
EMULATOR_FN void emulator_mma(int line, float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], bool bf16)
{
    const unsigned all = 0xffffffffu;
    unsigned* const slot = (unsigned*)emulator_warp_slot(all);
    for (int i = 0; i < 4; ++i) slot[i] = a[i];
    for (int i = 0; i < 2; ++i) slot[4 + i] = b[i];
    emulator_warp_sync(all, line);
    const int g = emulator_lane() / 4, t = emulator_lane() % 4;
    for (int k = 0; k < 8; ++k) {  // words; every lane's slot is read where it is needed
        unsigned rows[2], columns[2];
        for (int half = 0; half < 2; ++half) {
            rows[half] = ((unsigned*)emulator_warp_peer(all, 4 * g + k % 4))[2 * (k / 4) + half];
            columns[half] = ((unsigned*)emulator_warp_peer(all, 4 * (2 * t + half) + k % 4))[4 + k / 4];
        }
        for (int i = 0; i < 4; ++i) {
            const unsigned p = rows[i / 2], q = columns[i % 2];
            if (!bf16) d[i] += emulator_number(p) * emulator_number(q);
            else {
                d[i] += emulator_number(p << 16) * emulator_number(q << 16);
                d[i] += emulator_number(p & 0xffff0000u) * emulator_number(q & 0xffff0000u);
            }
        }
    }
}

// Atomics: fibers never pre-empt one another, so that a plain read, change and write is atomic.
template <class T, class U> EMULATOR_FN T atomicAdd(T* p, U value)
{
    emulator_atomic(p, sizeof(T));
    const T old = *p;
    *p = old + (T)value;
    return old;
}

// Asynchronous copies of 4 or 16 bytes, as the sources' own wrapper of cp.async asks for them. They happen as late as
// they may, when their group is waited for; until then their place holds NaN. Both writes are seen by the checks.
struct emulator_copies {
    struct Copy { float* to; const float* from; int n; bool inside; };
    std::vector<Copy> waiting;
    std::vector<size_t> groups;  // how many copies each committed group has
    size_t open = 0;             // copies since the last one
    uint64_t block = 0;
};
EMULATOR_FN emulator_copies& emulator_my_copies()
{
    static emulator_copies emulator_all_copies[1024];
    emulator_copies& mine = emulator_all_copies[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
    if (mine.block != emulator_n_blocks) mine = {{}, {}, 0, emulator_n_blocks};  // whatever an earlier block left
    return mine;
}
static inline void emulator_copy_async(float* to, const float* from, int bytes, bool inside)
{
    const int n = bytes / 4;
    if (n == 4) *(float4*)to = make_float4(NAN, NAN, NAN, NAN);
    else *to = NAN;
    emulator_copies& mine = emulator_my_copies();
    mine.waiting.push_back({to, from, n, inside});
    ++mine.open;
}
EMULATOR_FN void emulator_copy_commit()
{
    emulator_copies& mine = emulator_my_copies();
    mine.groups.push_back(mine.open);
    mine.open = 0;
}
static inline void emulator_copy_wait(size_t left)
{
    emulator_copies& mine = emulator_my_copies();
    size_t done = 0;
    while (mine.groups.size() > left) {
        for (size_t i = 0; i < mine.groups.front(); ++i) {
            const emulator_copies::Copy copy = mine.waiting[done++];
            if (copy.n == 4) *(float4*)copy.to = copy.inside ? *(const float4*)copy.from : make_float4(0, 0, 0, 0);
            else *copy.to = copy.inside ? *copy.from : 0.f;
        }
        mine.groups.erase(mine.groups.begin());
    }
    mine.waiting.erase(mine.waiting.begin(), mine.waiting.begin() + done);
}

// Arithmetic with a stated rounding and bits of numbers; g++ is told never to contract a*b+c.
using std::isnan;
using std::max;
using std::min;
EMULATOR_FN double __dadd_rn(double a, double b) { return a + b; }
EMULATOR_FN double __dsub_rn(double a, double b) { return a - b; }
EMULATOR_FN double __dmul_rn(double a, double b) { return a * b; }
EMULATOR_FN double __ddiv_rn(double a, double b) { return a / b; }
EMULATOR_FN double __dsqrt_rn(double a) { return sqrt(a); }
EMULATOR_FN long long __double_as_longlong(double x) { long long r; memcpy(&r, &x, 8); return r; }
EMULATOR_FN double __longlong_as_double(long long x) { double r; memcpy(&r, &x, 8); return r; }
EMULATOR_FN float __int_as_float(int x) { float r; memcpy(&r, &x, 4); return r; }
EMULATOR_FN unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
EMULATOR_FN int __popc(unsigned x) { return __builtin_popcount(x); }
EMULATOR_FN int __ffs(int x) { return __builtin_ffs(x); }

// The table of kernels: emulator.py appends EMULATOR_EXPORT("row_sum<float,128>", row_sum<float,128>) lines.
template <class F> struct emulator_kernel;
template <class... A> struct emulator_kernel<void(A...)> {
    template <void (*K)(A...), size_t... I> static void call(void** a, std::index_sequence<I...>) { K(*(A*)a[I]...); }
    template <void (*K)(A...)> static void thunk(void** a) { call<K>(a, std::index_sequence_for<A...>{}); }
    template <void (*K)(A...)> static void add(const char* name)
    {
        static char signature[1024];
        size_t n = 0;
        for (const char* type : {typeid(A).name()...}) n += snprintf(signature + n, sizeof signature - n, "%s ", type);
        emulator_register(name, &thunk<K>, signature);
    }
};
#define EMULATOR_JOIN_(a, b) a##b
#define EMULATOR_JOIN(a, b) EMULATOR_JOIN_(a, b)
#define EMULATOR_EXPORT(name, ...)                   \
    static int EMULATOR_JOIN(emulator_entry_, __COUNTER__) = \
        (emulator_kernel<decltype(__VA_ARGS__)>::template add<__VA_ARGS__>(name), 0);
