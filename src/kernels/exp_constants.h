/* Constants of the vector exponential: exp(x) = 2^n * exp(r), n = round(x log2 e), |r| <= ln(2)/2, and a
 * polynomial for exp(r). Source of the coefficients and of the split of ln 2: Cephes' expf. */
#ifndef SMG_KERNELS_EXP_CONSTANTS_H
#define SMG_KERNELS_EXP_CONSTANTS_H

/* Beyond these the result is 0 or infinity anyway; within them n fits twice half an exponent. */
#define EXP_LOWEST -105.0F
#define EXP_HIGHEST 90.0F

#define EXP_LOG2_E 1.44269504F
#define EXP_LN2_HIGH 0.693359375F
#define EXP_LN2_LOW -2.12194440e-4F
#define EXP_C1 5.0000001201e-1F
#define EXP_C2 1.6666665459e-1F
#define EXP_C3 4.1665795894e-2F
#define EXP_C4 8.3334519073e-3F
#define EXP_C5 1.3981999507e-3F
#define EXP_C6 1.9875691500e-4F

#define GELU_CUBIC 0.044715F
#define GELU_TWO_ROOT_2_OVER_PI 1.5957691216057308F

#endif
