"""The exponential of scores, defined so that any language computes the same bits.

``libm`` and NumPy have exponentials that differ from processor to processor, so this is the package's own.
For ``x`` from -87.3 to 0, in float32, each operation rounded on its own (no fused multiply-add):

1. ``n = rint(x * LOG2_E)``, ties to even;
2. ``r = (x - n * LN2_HIGH) - n * LN2_LOW``, of which the first product is exact;
3. ``y = (((P0 * r + P1) * r + P2) * r ... ) * r + P7``, Horner's rule over `POLYNOMIAL`;
4. ``y * 2**n``, which is exact.

Below -87.3 the result is 0. It errs by at most 2 units in the last place. Source of the constants: ``expf``
of the Cephes library (S. Moshier).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from groupvit_runtime.resize import FloatArray

SMALLEST_ARGUMENT: Final = np.float32(-87.3)
LOG2_E: Final = np.float32(1.44269504088896341)
LN2_HIGH: Final = np.float32(0.693359375)
LN2_LOW: Final = np.float32(-2.12194440e-4)
POLYNOMIAL: Final = tuple(
    np.float32(value)
    for value in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
        1.0,
        1.0,
    )
)

# Added to an integer it leaves that integer in the last bits.
_INTEGER_BITS: Final = np.float32(1.5 * 2**23)
_MANTISSA_BITS: Final = np.int32(23)


def exponential(x: FloatArray, scratch: tuple[FloatArray, FloatArray], *, reaches_zero: bool = True) -> None:
    """Replace ``x`` by its exponential.

    Args:
        x: float32, C-contiguous, finite, at most 0; overwritten.
        scratch: two float32 arrays of its shape, C-contiguous; overwritten.
        reaches_zero: whether ``x`` may lie below -87.3; False saves looking for it.
    """
    whole, y = scratch
    vanishes: npt.NDArray[np.bool_] | None = None
    if reaches_zero:
        vanishes = x < SMALLEST_ARGUMENT
        np.maximum(x, SMALLEST_ARGUMENT, out=x)
    np.multiply(x, LOG2_E, out=whole)
    np.rint(whole, out=whole)
    for part_of_ln2 in (LN2_HIGH, LN2_LOW):
        np.multiply(whole, part_of_ln2, out=y)
        x -= y
    np.multiply(x, POLYNOMIAL[0], out=y)
    for coefficient in POLYNOMIAL[1:-1]:
        y += coefficient
        y *= x
    y += POLYNOMIAL[-1]
    whole += _INTEGER_BITS
    # Adding to the bits of the exponent is the product with 2**n, because the result is a normal number.
    exponent = whole.view(np.int32)
    exponent <<= _MANTISSA_BITS
    np.add(y.view(np.int32), exponent, out=x.view(np.int32))
    if vanishes is not None:
        x[vanishes] = 0
