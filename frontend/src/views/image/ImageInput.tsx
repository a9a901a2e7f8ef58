import { createEffect, onCleanup, Show } from "solid-js";

export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ImageInputProps {
  readonly image: ImageFile | null;
  /** Whether the model accepts images only. */
  readonly alone: boolean;
  /** Maximum file size in bytes. */
  readonly most: number;
  readonly onImage: (image: ImageFile | null) => void;
  readonly onFailure: (sentence: string) => void;
}

/** Takes an image that is chosen, dropped anywhere on the page, or pasted, and shows a preview. */
export function ImageInput(props: ImageInputProps) {
  let file!: HTMLInputElement;
  let root!: HTMLDivElement;
  const take = async (chosen: File | null | undefined): Promise<void> => {
    if (chosen == null) return;
    if (chosen.size > props.most) {
      const most = Math.floor(props.most / 2 ** 20);
      return props.onFailure(`The image is larger than ${most} MB. Choose a smaller file.`);
    }
    props.onImage({ name: chosen.name, bytes: new Uint8Array(await chosen.arrayBuffer()) });
  };
  const imageIn = (files: FileList | undefined): File | undefined =>
    [...(files ?? [])].find(({ type }) => type.startsWith("image/"));
  const listen = (): void => {
    const page = root.closest<HTMLElement>(".app");
    if (page === null) return;
    const onPaste = (event: ClipboardEvent): void => {
      const found = imageIn(event.clipboardData?.files);
      if (found === undefined) return;
      event.preventDefault();
      void take(found);
    };
    const onDrag = (event: DragEvent): void => event.preventDefault();
    const onDrop = (event: DragEvent): void => {
      event.preventDefault();
      void take(imageIn(event.dataTransfer?.files));
    };
    page.addEventListener("paste", onPaste);
    page.addEventListener("dragover", onDrag);
    page.addEventListener("drop", onDrop);
    onCleanup(() => {
      page.removeEventListener("paste", onPaste);
      page.removeEventListener("dragover", onDrag);
      page.removeEventListener("drop", onDrop);
    });
  };
  createEffect(listen);

  return (
    <div class="image-input" ref={root}>
      <input
        ref={file}
        type="file"
        hidden
        accept="image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff"
        aria-label="Image"
        data-testid="image-file"
        on:change={() => {
          void take(file.files?.[0]);
          file.value = "";
        }}
      />
      <button
        type="button"
        class="second"
        data-testid="image"
        title="Choose an image, or drop or paste one"
        on:click={() => file.click()}
      >
        <Show when={props.image} fallback={props.alone ? "Choose an image" : "Image"}>
          {(one) => <Preview bytes={one().bytes} name={one().name} />}
        </Show>
      </button>
      <Show when={props.image !== null && !props.alone}>
        <button
          type="button"
          class="second"
          aria-label="Remove the image"
          title="Remove the image"
          on:click={() => props.onImage(null)}
        >
          ×
        </button>
      </Show>
    </div>
  );
}

const SIZE = 22;

/** A preview small enough for a button. */
function Preview(props: { readonly bytes: Uint8Array; readonly name: string }) {
  let canvas!: HTMLCanvasElement;
  createEffect(() => {
    const { bytes } = props;
    void createImageBitmap(new Blob([new Uint8Array(bytes)])).then(
      (bitmap) => {
        const scale = SIZE / Math.max(bitmap.width, bitmap.height);
        canvas.width = Math.max(1, Math.round(2 * bitmap.width * scale));
        canvas.height = Math.max(1, Math.round(2 * bitmap.height * scale));
        canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      },
      // The host may be able to open an image that the browser cannot draw; if not, it reports why.
      () => canvas.remove(),
    );
  });
  return (
    <span class="preview">
      <canvas ref={canvas} width="1" height="1" aria-hidden="true" />
      <span>{props.name || "image"}</span>
    </span>
  );
}
