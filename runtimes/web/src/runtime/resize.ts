/**
 * Half-pixel bilinear interpolation, as `groupvit_runtime.resize` defines it: positions split with integers, float32
 * everywhere, each operation rounded on its own.
 */

const f = Math.fround;

export interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly t: Float32Array;
}

/** The two source indices and the weight of the second, for every output index. */
export function linearTaps(src: number, dst: number): Taps {
  const low = new Int32Array(dst), high = new Int32Array(dst), t = new Float32Array(dst);
  for (let d = 0; d < dst; d++) {
    const position = Math.min(Math.max((2 * d + 1) * src - dst, 0), 2 * dst * (src - 1));
    low[d] = Math.floor(position / (2 * dst));
    high[d] = Math.min(low[d]! + 1, src - 1);
    t[d] = (position - low[d]! * 2 * dst) / (2 * dst);
  }
  return { low, high, t };
}

/** An output index of an axis: the nodes that it looks at, and the weights of all but the first. */
export interface Band {
  readonly first: number;
  readonly weights: Float32Array;
}

/** Interpolation from `src` to `middle` and on to `dst` as one step; float64, rounded once. */
export function composedBands(src: number, middle: number, dst: number): Band[] {
  const first = linearTaps(src, middle), second = linearTaps(middle, dst);
  const row = new Float64Array(src);
  return Array.from({ length: dst }, (_, d) => {
    row.fill(0);
    const one = new Float64Array(src), other = new Float64Array(src);
    spread(first, second.low[d]!, one);
    spread(first, second.high[d]!, other);
    const t = second.t[d]!;
    let begin = src, end = 0;
    for (let j = 0; j < src; j++) {
      row[j] = f((1 - t) * one[j]! + t * other[j]!);
      if (row[j] !== 0) {
        begin = Math.min(begin, j);
        end = j + 1;
      }
    }
    return { first: begin, weights: Float32Array.from(row.subarray(begin + 1, end)) };
  });
}

function spread(taps: Taps, index: number, row: Float64Array): void {
  row[taps.low[index]!] = 1 - taps.t[index]!;
  row[taps.high[index]!]! += taps.t[index]!;
}

/** Resizes float32 planes [K, H, W]: columns first, then rows. */
export function bilinear(
  planes: Float32Array, count: number, height: number, width: number, toHeight: number, toWidth: number,
): Float32Array {
  let current = planes;
  if (width !== toWidth) {
    const { low, high, t } = linearTaps(width, toWidth);
    const next = new Float32Array(count * height * toWidth);
    for (let row = 0; row < count * height; row++) {
      for (let x = 0; x < toWidth; x++) {
        const a = current[row * width + low[x]!]!, b = current[row * width + high[x]!]!;
        next[row * toWidth + x] = f(a + f(t[x]! * f(b - a)));
      }
    }
    current = next;
  }
  if (height !== toHeight) {
    const { low, high, t } = linearTaps(height, toHeight);
    const next = new Float32Array(count * toHeight * toWidth);
    for (let k = 0; k < count; k++) {
      for (let y = 0; y < toHeight; y++) {
        const from = (k * height + low[y]!) * toWidth, to = (k * height + high[y]!) * toWidth;
        const out = (k * toHeight + y) * toWidth;
        for (let x = 0; x < toWidth; x++) {
          const a = current[from + x]!;
          next[out + x] = f(a + f(t[y]! * f(current[to + x]! - a)));
        }
      }
    }
    current = next;
  }
  return current;
}
