// Copies from global to shared memory that go on while the thread computes (cp.async): issued, closed into groups,
// waited for. A group's numbers are there for the thread itself after the wait, for its block after a barrier as well.
// Under the emulator a copy happens as late as it may, at the wait, and until then its place holds NaN.
#ifdef EMULATED
template <int BYTES> __device__ __forceinline__ void copy_async(float* shared, const float* global, bool inside)
{
    emulator_copy_async(shared, global, BYTES, inside);
}
__device__ __forceinline__ void copy_commit() { emulator_copy_commit(); }
template <int LEFT> __device__ __forceinline__ void copy_wait() { emulator_copy_wait(LEFT); }
#else
// BYTES (4 or 16, both addresses multiples of it) from global memory, or zeros where not inside; then `global` is not
// read but must still point into an array.
template <int BYTES> __device__ __forceinline__ void copy_async(float* shared, const float* global, bool inside)
{
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    const int read = inside ? BYTES : 0;
    if (BYTES == 16)  // .cg: past the first-level cache, that nothing else of the block would find it in
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(read) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(read) : "memory");
}
// Everything issued since the last one becomes one group.
__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Wait until at most LEFT groups, the youngest, are under way.
template <int LEFT> __device__ __forceinline__ void copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
#endif
