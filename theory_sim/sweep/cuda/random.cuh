// Random numbers by counter: the twin of theory_sim/counter_random.py, bit for bit.
// Every operation carries its rounding (__dmul_rn, ...): none may become part of a fused multiply-add, which would
// round once where the CPU rounds twice.
// [Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011]

struct Words { unsigned x0, x1, x2, x3; };
struct Pair { double first, second; };
struct Key { unsigned low, high; };

__device__ __forceinline__ Key key_of(long long seed)
{
    return {(unsigned)seed, (unsigned)((unsigned long long)seed >> 32)};
}

// Philox4x32-10: four 32-bit words of the counter (c0, c1, c2, c3).
__device__ __forceinline__ Words philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, Key key)
{
    for (int round = 0; round < 10; ++round) {
        const unsigned low0 = 0xD2511F53u * c0, high0 = __umulhi(0xD2511F53u, c0);
        const unsigned low1 = 0xCD9E8D57u * c2, high1 = __umulhi(0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ key.low;
        c1 = low1;
        c2 = high0 ^ c3 ^ key.high;
        c3 = low0;
        key.low += 0x9E3779B9u;
        key.high += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
}

// a + b·c, rounded twice.
__device__ __forceinline__ double plus_product(double a, double b, double c) { return __dadd_rn(a, __dmul_rn(b, c)); }

__device__ __forceinline__ unsigned long long bits52(unsigned high, unsigned low)
{
    return (unsigned long long)(high >> 6) << 26 | low >> 6;
}

// (n + ½)/2⁵² in (0, 1), n the upper 26 bits of each word.
__device__ __forceinline__ double uniform(unsigned high, unsigned low)
{
    const double shifted = __longlong_as_double(0x3FF0000000000000ll | (long long)bits52(high, low));  // 1 + n/2⁵²
    return __dadd_rn(__dadd_rn(shifted, -1.0), 1.1102230246251565e-16);
}

// Natural logarithm of a normal double > 0 (fdlibm's e_log.c).
__device__ __forceinline__ double log_uniform(double u)
{
    const long long bits = __double_as_longlong(u);
    const long long exponent = (bits - 0x3FE6A09E667F3BCDll) >> 52;  // u = m·2^exponent, √½ <= m < √2
    const double m = __longlong_as_double(bits - exponent * (1ll << 52));
    const double k = __dadd_rn(__longlong_as_double(0x4338000000000000ll + exponent), -6755399441055744.0);
    const double f = __dadd_rn(m, -1.0);
    const double s = __ddiv_rn(f, __dadd_rn(2.0, f));
    const double z = __dmul_rn(s, s), w = __dmul_rn(z, z);
    double t1 = plus_product(2.222219843214978396e-01, w, 1.531383769920937332e-01);
    t1 = __dmul_rn(w, plus_product(3.999999999940941908e-01, w, t1));
    double t2 = plus_product(1.818357216161805012e-01, w, 1.479819860511658591e-01);
    t2 = plus_product(2.857142874366239149e-01, w, t2);
    t2 = __dmul_rn(z, plus_product(6.666666666666735130e-01, w, t2));
    const double half_square = __dmul_rn(__dmul_rn(0.5, f), f);
    const double inner = __dadd_rn(__dmul_rn(s, __dadd_rn(half_square, __dadd_rn(t1, t2))),
                                   __dmul_rn(k, 1.90821492927058770002e-10));
    return __dsub_rn(__dmul_rn(k, 6.93147180369123816490e-01), __dsub_rn(__dsub_rn(half_square, inner), f));
}

// (cos, sin) of an angle uniform on the circle: a quadrant of 2 bits, and ±π/4 in 50 bits around it.
__device__ __forceinline__ Pair turn(unsigned high, unsigned low)
{
    const unsigned long long bits = bits52(high, low);
    const unsigned quadrant = (unsigned)(bits >> 50);
    const double inside = __longlong_as_double(0x3FF0000000000000ll | (long long)((bits & 0x3FFFFFFFFFFFFull) << 2));
    const double x = __dmul_rn(__dadd_rn(__dadd_rn(inside, -1.5), 4.440892098500626e-16), 1.5707963267948966);
    const double z = __dmul_rn(x, x);
    double r = plus_product(-2.50507602534068634195e-08, z, 1.58969099521155010221e-10);
    r = plus_product(2.75573137070700676789e-06, z, r);
    r = plus_product(-1.98412698298579493134e-04, z, r);
    r = plus_product(8.33333333332248946124e-03, z, r);
    const double sine = plus_product(x, __dmul_rn(z, x), plus_product(-1.66666666666666324348e-01, z, r));
    r = plus_product(2.08757232129817482790e-09, z, -1.13596475577881948265e-11);
    r = plus_product(-2.75573143513906633035e-07, z, r);
    r = plus_product(2.48015872894767294178e-05, z, r);
    r = plus_product(-1.38888888888741095749e-03, z, r);
    r = __dmul_rn(z, plus_product(4.16666666666666019037e-02, z, r));
    const double half = __dmul_rn(0.5, z), w = __dsub_rn(1.0, half);
    const double cosine = __dadd_rn(w, __dadd_rn(__dsub_rn(__dsub_rn(1.0, w), half), __dmul_rn(z, r)));
    const double c = quadrant & 1 ? sine : cosine, s = quadrant & 1 ? cosine : sine;
    return {(quadrant + 1) & 2 ? -c : c, quadrant & 2 ? -s : s};
}

// Two independent N(0, 1): columns 2·index and 2·index + 1 of a row.
__device__ __forceinline__ Pair normal_pair(unsigned index, unsigned row, unsigned stream, Key key)
{
    const Words words = philox(index, row, stream, 0, key);
    const double radius = __dsqrt_rn(__dmul_rn(-2.0, log_uniform(uniform(words.x0, words.x1))));
    const Pair direction = turn(words.x2, words.x3);
    return {__dmul_rn(radius, direction.first), __dmul_rn(radius, direction.second)};
}

// scale · a_r of a network of `width` units, by a law of network.OUTER_LAWS [paper: Assumption 4].
__device__ __forceinline__ double outer_weight(int law, unsigned row, int width, double scale, Key key)
{
    if (law == OUTER_GAUSSIAN) return __dmul_rn(scale, normal_pair(0, row, STREAM_OUTER, key).first);
    const bool bit = philox(0, row, STREAM_OUTER, 0, key).x0 & 1;
    const double unit = law == OUTER_SCALED_SIGNS ? __ddiv_rn(scale, __dsqrt_rn((double)width)) : scale;
    return bit ? unit : law == OUTER_BERNOULLI ? 0.0 : -unit;
}
