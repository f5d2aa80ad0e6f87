/** Products of embeddings, summed in float64, so that their order does not matter once they are rounded. */

/** float64 [rows, columns]: every row of `a` [rows, width] with every row of `b` [columns, width]. */
export function products(a: Float32Array, b: Float32Array, width: number): Float64Array {
  const rows = a.length / width, columns = b.length / width;
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let p = 0; p < width; p++) sum += a[i * width + p]! * b[j * width + p]!;
      result[i * columns + j] = sum;
    }
  }
  return result;
}

export function softmax(values: ArrayLike<number>): Float64Array {
  let top = -Infinity;
  for (let i = 0; i < values.length; i++) top = Math.max(top, values[i]!);
  const powers = Float64Array.from(values, (value) => Math.exp(value - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
