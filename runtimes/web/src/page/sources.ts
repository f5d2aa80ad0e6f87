/** Where images come from: a file, a drop, the clipboard, the camera, the sample. */

import type { RgbImage } from "../runtime/arrays.ts";
import { element } from "./elements.ts";
import { readFrame, readImage } from "./read-image.ts";

export interface Taken {
  readonly image: RgbImage;
  readonly name: string;
}

export function listen(take: (taken: Promise<Taken>) => void, sample: URL): void {
  const file = element("file", HTMLInputElement), stage = element("stage", HTMLElement);
  const from = (blob: Blob, name: string): void => take(readImage(blob).then((image) => ({ image, name })));
  element("choose", HTMLButtonElement).onclick = () => file.click();
  file.onchange = () => {
    const [chosen] = file.files ?? [];
    if (chosen !== undefined) from(chosen, chosen.name);
    file.value = "";
  };
  element("sample", HTMLButtonElement).onclick = () => take(readSample(sample));
  stage.ondragover = (event) => {
    event.preventDefault();
    stage.classList.add("over");
  };
  stage.ondragleave = () => stage.classList.remove("over");
  stage.ondrop = (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped === undefined) take(Promise.reject(new Error("drop an image file, not a link or a text")));
    else from(dropped, dropped.name);
  };
  document.onpaste = (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (pasted !== undefined) from(pasted, "pasted");
  };
  listenToCamera(take);
}

export async function readSample(url: URL): Promise<Taken> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the sample image could not be read: ${response.status}`);
  return { image: await readImage(await response.blob()), name: "sample" };
}

function listenToCamera(take: (taken: Promise<Taken>) => void): void {
  const live = element("live", HTMLElement), video = element("video", HTMLVideoElement);
  const button = element("camera", HTMLButtonElement);
  let stream: MediaStream | null = null;
  const stop = (): void => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    live.hidden = true;
  };
  button.disabled = navigator.mediaDevices === undefined;
  button.onclick = async () => {
    try {
      stream ??= await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      video.srcObject = stream;
      live.hidden = false;
      await video.play();
    } catch (error) {
      stop();
      take(Promise.reject(new Error(`the camera cannot be used: ${(error as Error).message}`)));
    }
  };
  element("shoot", HTMLButtonElement).onclick = () => {
    take(Promise.resolve().then(() => ({ image: readFrame(video), name: "camera" })));
    stop();
  };
  element("stop", HTMLButtonElement).onclick = stop;
}
