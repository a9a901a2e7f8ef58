import { createEffect, onCleanup, Show } from "solid-js";

export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ImageInputProps {
  readonly image: ImageFile | null;
  /** Whether a picture is all that the model reads. */
  readonly alone: boolean;
  /** Bytes of a file at most. */
  readonly most: number;
  readonly onImage: (image: ImageFile | null) => void;
  readonly onFailure: (sentence: string) => void;
}

/** A picture chosen, dropped anywhere on the page, or pasted; small beside the prompt once it is there. */
export function ImageInput(props: ImageInputProps) {
  let file!: HTMLInputElement;
  let root!: HTMLDivElement;
  const take = async (given: File | null | undefined): Promise<void> => {
    if (given == null) return;
    if (given.size > props.most) {
      const most = Math.floor(props.most / 2 ** 20);
      return props.onFailure(`The picture is larger than ${most} MB; make it smaller and choose it again.`);
    }
    props.onImage({ name: given.name, bytes: new Uint8Array(await given.arrayBuffer()) });
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
        aria-label="Picture"
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
        title="Choose a picture, drop one here, or paste one"
        on:click={() => file.click()}
      >
        <Show when={props.image} fallback={props.alone ? "Choose a picture" : "Picture"}>
          {(one) => <Preview bytes={one().bytes} name={one().name} />}
        </Show>
      </button>
      <Show when={props.image !== null && !props.alone}>
        <button
          type="button"
          class="second"
          aria-label="Take the picture away"
          title="Take the picture away"
          on:click={() => props.onImage(null)}
        >
          ×
        </button>
      </Show>
    </div>
  );
}

const SIZE = 22;

/** A picture as small as a button. */
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
      // What the browser cannot draw, the session may still open, or says why not.
      () => canvas.remove(),
    );
  });
  return (
    <span class="preview">
      <canvas ref={canvas} width="1" height="1" aria-hidden="true" />
      <span>{props.name || "picture"}</span>
    </span>
  );
}
