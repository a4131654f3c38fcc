// Adam and stochastic gradient descent on flat arrays. Everything that changes between steps is read from the device's
// memory, so that a captured step can be replayed.

// What a step needs as float32, from settings (OPTIMIZER_... are their places): counts the step, and divides out the
// start at zero [Kingma & Ba 2015, Algorithm 1]. One thread: 1 - beta^t needs float64.
__global__ void adam_begin(double* settings, float* factors)
{
    const double step = settings[OPTIMIZER_STEP] + 1;
    const double beta1 = settings[OPTIMIZER_BETA1], beta2 = settings[OPTIMIZER_BETA2];
    settings[OPTIMIZER_STEP] = step;
    factors[0] = (float)(settings[OPTIMIZER_LEARNING_RATE] / -expm1(step * log(beta1)));
    factors[1] = (float)(1 / sqrt(-expm1(step * log(beta2))));
    factors[2] = (float)beta1;
    factors[3] = (float)(1 - beta1);
    factors[4] = (float)beta2;
    factors[5] = (float)(1 - beta2);
    factors[6] = (float)settings[OPTIMIZER_EPSILON];
    factors[7] = (float)settings[OPTIMIZER_WEIGHT_DECAY];
}

__global__ void __launch_bounds__(THREADS)
adam_step(
    float* parameters, const float* gradients, float* first_moment, float* second_moment, const float* factors,
    long long n)
{
    const Place place = place_in(n);
    const Four rates = load_four(factors, 4), others = load_four(factors + 4, 4);
    const float rate = rates.v[0], unbias = rates.v[1], beta1 = rates.v[2], keep1 = rates.v[3];
    const float beta2 = others.v[0], keep2 = others.v[1], epsilon = others.v[2], decay = others.v[3];
    Four p = load_four(parameters + place.first, place.count);
    Four m = load_four(first_moment + place.first, place.count);
    Four v = load_four(second_moment + place.first, place.count);
    const Four gradient = load_four(gradients + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const float g = gradient.v[k] + decay * p.v[k];
        m.v[k] = beta1 * m.v[k] + keep1 * g;
        v.v[k] = beta2 * v.v[k] + keep2 * g * g;
        p.v[k] -= rate * m.v[k] / (sqrtf(v.v[k]) * unbias + epsilon);
    }
    store_four(parameters + place.first, p, place.count);
    store_four(first_moment + place.first, m, place.count);
    store_four(second_moment + place.first, v, place.count);
}

__global__ void __launch_bounds__(THREADS)
sgd_step(float* parameters, const float* gradients, float* velocity, const double* settings, int nesterov, long long n)
{
    const Place place = place_in(n);
    const float rate = (float)settings[OPTIMIZER_LEARNING_RATE], momentum = (float)settings[OPTIMIZER_MOMENTUM];
    const float decay = (float)settings[OPTIMIZER_WEIGHT_DECAY];
    Four p = load_four(parameters + place.first, place.count);
    Four v = load_four(velocity + place.first, place.count);
    const Four gradient = load_four(gradients + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const float g = gradient.v[k] + decay * p.v[k];
        v.v[k] = momentum * v.v[k] + g;
        p.v[k] -= rate * (nesterov ? g + momentum * v.v[k] : v.v[k]);
    }
    store_four(parameters + place.first, p, place.count);
    store_four(velocity + place.first, v, place.count);
}
