// The low-pass filter between two transforms: keeps the low band of half spectra and divides by the number of pixels,
// which the inverse transform leaves out.

// spectra: (planes, bins) complex, as pairs of float32; kept: (bins,) 1 in the low band, 0 elsewhere.
__global__ void __launch_bounds__(THREADS)
spectral_mask(float* spectra, const unsigned char* kept, long long planes, int bins, float factor)
{
    const Place place = place_in(2 * planes * bins);  // two bins a thread
    if (place.count == 0) return;
    const int bin = (int)(place.first / 2 % bins), next = bin + 1 < bins ? bin + 1 : 0;
    Four values = load_four(spectra + place.first, place.count);
    const float here = kept[bin] ? factor : 0.f, there = kept[next] ? factor : 0.f;
    // Chosen, not multiplied, where nothing is kept: 0 · infinity would be NaN.
    values.v[0] = here != 0.f ? values.v[0] * here : 0.f, values.v[1] = here != 0.f ? values.v[1] * here : 0.f;
    values.v[2] = there != 0.f ? values.v[2] * there : 0.f, values.v[3] = there != 0.f ? values.v[3] * there : 0.f;
    store_four(spectra + place.first, values, place.count);
}
