/** Float32 and integer arrays with a shape, in C order. */

export interface Tensor<T extends Float32Array | Uint16Array = Float32Array> {
  readonly data: T;
  readonly shape: readonly number[];
}

export interface Size {
  readonly height: number;
  readonly width: number;
}

/** uint8 [height, width, 3], RGB. */
export interface RgbImage extends Size {
  readonly data: Uint8Array;
}

/** uint16 [height, width]. */
export interface LabelMap extends Size {
  readonly data: Uint16Array;
}

/** `name` of an engine, checked: finite values, and as many as its shape says. */
export function checkFinite(name: string, data: Float32Array): void {
  for (const value of data) {
    if (!Number.isFinite(value)) throw new Error(`${name} from the engine has NaN or infinite values`);
  }
}

/** Item `index` of the first axis. */
export function item(tensor: Tensor, index: number): Tensor {
  const shape = tensor.shape.slice(1);
  const length = shape.reduce((product, side) => product * side, 1);
  return { data: tensor.data.subarray(index * length, (index + 1) * length), shape };
}
