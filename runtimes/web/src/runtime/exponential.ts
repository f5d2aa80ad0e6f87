/** The exponential of scores, the same bits as `groupvit_runtime.exponential`. */

const f = Math.fround;
const SMALLEST = f(-87.3);
const LOG2_E = f(1.44269504088896341), LN2_HIGH = f(0.693359375), LN2_LOW = f(-2.1219444e-4);
const POLYNOMIAL = Float32Array.of(
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1,
);

/** Of a float32 of at most 0. */
export function exponential(x: number): number {
  if (x < SMALLEST) return 0;
  const scaled = f(x * LOG2_E);
  const rounded = Math.round(scaled);
  const n = rounded - scaled === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
  const r = f(f(x - f(n * LN2_HIGH)) - f(n * LN2_LOW));
  let y = POLYNOMIAL[0]!;
  for (let i = 1; i < POLYNOMIAL.length; i++) y = f(f(y * r) + POLYNOMIAL[i]!);
  return y * 2 ** n;
}
